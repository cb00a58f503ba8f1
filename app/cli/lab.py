"""A vendor of your own, from the terminal: for learning and tests without hardware."""

from __future__ import annotations

import json
import signal
from datetime import UTC
from pathlib import Path

import click

from app.attestation.collateral.amd import AMDCatalogue
from app.attestation.collateral.intel import IntelCatalogue
from app.lab.acceptance import bench, reference_values, table
from app.lab.acceptance import report as as_text
from app.lab.client import attest as attest_to
from app.lab.faults import MEANINGS, Fault
from app.lab.vendor import TEES, Lab
from app.lab.vendor_service import Habits, VendorService
from app.trust.clock import SystemClock
from app.trust.http_client import OutsideError, PooledHTTPClient
from guest.wire.encoding import b64_encode

_STATE = click.option(
    "--state",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("lab"),
    help="Where the lab keeps its keys.",
)
_TEE = click.option("--tee", type=click.Choice(TEES), default="snp", help="Kind of machine.")
_FAULT = click.option(
    "--fault", type=click.Choice([each.value for each in Fault]), default=Fault.NONE.value,
    help="What is wrong.",
)  # fmt: skip


@click.group()
def lab() -> None:
    """A vendor of your own: roots, services, evidence of machines that do not exist."""


@lab.command("serve")
@_STATE
@click.option("--bind", default="127.0.0.1:8090", help="Address and port, on loopback only.")
@_FAULT
def serve_lab(state: Path, bind: str, fault: str) -> None:
    """Serve the vendors' documents, as AMD's KDS and Intel's PCS do, until Ctrl-C."""
    chosen = Fault(fault)
    host, _, port = bind.rpartition(":")
    if host != "127.0.0.1" or not (port.isascii() and port.isdigit() and int(port) < 65536):
        raise click.BadParameter("127.0.0.1 and a port", param_hint="--bind")
    vendor = _open(state)
    habits = Habits(429, "60") if chosen is Fault.THROTTLED else Habits()
    service = VendorService(vendor.documents(chosen), habits)
    with service.listening(AMDCatalogue, IntelCatalogue, port=int(port)) as address:
        click.echo(f"serving on {address}; roots are in {state / 'roots.pem'}")
        signal.sigwait({signal.SIGINT, signal.SIGTERM})


@lab.command("evidence")
@click.argument("report_data", metavar="HEX")
@_TEE
@_FAULT
@_STATE
def make_evidence(report_data: str, tee: str, fault: str, state: Path) -> None:
    """Print evidence that is bound to the report data HEX."""
    try:
        bound = bytes.fromhex(report_data)
    except ValueError as error:
        raise click.BadParameter("not hex", param_hint="HEX") from error
    click.echo(json.dumps(_open(state).evidence(tee, bound, Fault(fault))))


@lab.command("attest")
@click.argument("url")
@_TEE
@_FAULT
@_STATE
def attest_machine(url: str, tee: str, fault: str, state: Path) -> None:
    """Attest a machine of the lab to the Attestation Service at URL; print claims or refusal."""
    client = PooledHTTPClient(timeout_seconds=10)
    try:
        answer = attest_to(_open(state), client, url.rstrip("/"), tee, Fault(fault))
    except OutsideError as error:
        raise click.ClickException(f"{url} did not answer") from error
    click.echo(json.dumps(answer.told, indent=2))


@lab.command("reference-values")
def show_reference_values() -> None:
    """Print an RVPS message with what the lab's faultless machines are."""
    payload = b64_encode(json.dumps(reference_values()).encode())
    click.echo(json.dumps({"version": "0.1.0", "type": "sample", "payload": payload}))


@lab.command("faults")
def list_faults() -> None:
    """List the faults and what each means."""
    for fault, meaning in MEANINGS.items():
        click.echo(f"{fault}\t{meaning}")


@lab.command("report")
def report() -> None:
    """Try every fault on a server of its own, and compare with what is expected."""
    with bench() as ready:
        outcomes = [(case, ready.run(case)) for case in table()]
    click.echo(as_text(outcomes))
    if any(found != case.expected for case, found in outcomes):
        raise SystemExit(1)


def _open(state: Path) -> Lab:
    """The lab of a folder, with its roots in a file for whoever is to trust them."""
    opened = Lab.open(SystemClock().now().astimezone(UTC).replace(microsecond=0), state)
    (state / "roots.pem").write_bytes(opened.roots_pem)
    return opened
