"""Reference values computed from what a guest is started from, from the terminal."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from app.attestation.computing import Computed, load
from app.attestation.computing.pcrs import PREFIXES, compute_pcrs
from app.attestation.computing.snp import VMM, SNPGuest, compute_snp
from app.attestation.computing.tdx import AddOrder, compute_tdx
from app.attestation.formats.event_log import MAX_LOG_BYTES
from app.attestation.formats.firmware import MAX_FIRMWARE_BYTES
from app.attestation.reference_values import DraftReferenceValue
from app.blueprints.services import Services
from app.cli.opening import CONFIG, opened
from app.cli.reference_value_changes import carry_out
from app.console.changes import ReferenceValuesChange
from app.trust.errors import MalformedRequestError
from app.trust.json_types import JSONValue

_FILE = click.Path(path_type=Path)


@dataclass(frozen=True, slots=True)
class Output:
    """What becomes of computed values, beside being printed.

    Attributes:
        save: where a message with them is written; ``-`` prints it instead of the values.
        keep: whether what lists hold already stays in them.
    """

    save: Path | None
    register: bool
    draft: bool
    keep: bool
    config_path: Path | None


def _with_output(command: Callable[..., Computed]) -> Callable[..., None]:
    """A command with the options of ``Output``, which does with the values what they say."""

    @click.option("--save", type=_FILE, help="Write a message for an RVPS there; - prints it.")
    @click.option("--register", is_flag=True, help="Register the values.")
    @click.option("--draft", is_flag=True, help="Only propose them, and print the proposal's id.")
    @click.option("--keep", is_flag=True, help="Keep what the registered lists hold already.")
    @CONFIG
    @functools.wraps(command)
    def run(
        *,
        save: Path | None,
        register: bool,
        draft: bool,
        keep: bool,
        config_path: Path | None,
        **options: Any,  # noqa: ANN401  (of the command)
    ) -> None:
        output = Output(save, register, draft, keep, config_path)
        _put_out(command(**options), output)

    return run


@click.group("compute")
def compute() -> None:
    """Compute what a guest will claim from what it is started from."""


@compute.command("snp")
@click.option("--firmware", type=_FILE, required=True, help="OVMF with SEV metadata.")
@click.option("--vcpus", type=int, multiple=True, required=True, help="May be given several times.")
@click.option("--vcpu-type", help="As QEMU names it, such as EPYC-v4.")
@click.option("--vcpu-signature", help="CPUID function 1, EAX, in its place: 0xa00f11.")
@click.option("--kernel", type=_FILE, help="That the host hands to the firmware.")
@click.option("--initrd", type=_FILE, help="Beside the kernel.")
@click.option("--append", help="The kernel's command line.")
@click.option("--features", default="0x1", show_default=True, help="SEV features of the guest.")
@click.option("--vmm", type=click.Choice([each.value for each in VMM]), default="qemu")
@_with_output
def compute_snp_values(  # noqa: PLR0913  (options, by name)
    *,
    firmware: Path,
    vcpus: tuple[int, ...],
    vcpu_type: str | None,
    vcpu_signature: str | None,
    kernel: Path | None,
    initrd: Path | None,
    append: str | None,
    features: str,
    vmm: str,
) -> Computed:
    """The launch measurement of a SEV-SNP guest."""
    return compute_snp(
        SNPGuest(
            firmware=firmware,
            vcpus=vcpus,
            vcpu_type=vcpu_type,
            vcpu_signature=_number(vcpu_signature) if vcpu_signature is not None else None,
            kernel=kernel,
            initrd=initrd,
            command_line=append,
            features=_number(features),
            vmm=VMM(vmm),
        )
    )


@compute.command("tdx")
@click.option("--firmware", type=_FILE, help="OVMF or another TDVF; gives MRTD.")
@click.option("--event-log", type=_FILE, help="CCEL of a boot; gives the RTMRs.")
@click.option("--order", type=click.Choice([each.value for each in AddOrder]), default="page")
@_with_output
def compute_tdx_values(*, firmware: Path | None, event_log: Path | None, order: str) -> Computed:
    """MRTD and RTMRs of a TD."""
    if firmware is None and event_log is None:
        raise MalformedRequestError("a firmware, an event log, or both, are what is computed from")
    return compute_tdx(
        load(firmware, MAX_FIRMWARE_BYTES) if firmware else None,
        load(event_log, MAX_LOG_BYTES) if event_log else None,
        AddOrder(order),
    )


@compute.command("pcrs")
@click.argument("event_log", type=_FILE)
@click.option("--tee", type=click.Choice(list(PREFIXES)), default="tpm", show_default=True)
@click.option("--pcr", "wanted", type=int, multiple=True, help="Only this one; several times.")
@_with_output
def compute_pcr_values(*, event_log: Path, tee: str, wanted: tuple[int, ...]) -> Computed:
    """PCRs after a boot, from its EVENT_LOG."""
    return compute_pcrs(load(event_log, MAX_LOG_BYTES), tee, wanted)


def _number(text: str) -> int:
    try:
        return int(text, 0)
    except ValueError as error:
        raise MalformedRequestError(f"{text!r} is no number, such as 3 or 0xa00f11") from error


def _put_out(computed: Computed, output: Output) -> None:
    if output.keep and not (output.register or output.draft):
        raise MalformedRequestError("--keep goes with --register or --draft")
    if output.register or output.draft:
        with opened(output.config_path) as services:
            values = _beside(services, computed) if output.keep else computed.values
            drafts = tuple(DraftReferenceValue(name, value) for name, value in values.items())
            change = ReferenceValuesChange(register=drafts, source=computed.source)
            carry_out(services, change, output.draft)
    message = json.dumps(computed.message(), indent=2) + "\n"
    if output.save == Path("-"):
        click.echo(message, nl=False)
        return
    if output.save is not None:
        _write(output.save, message)
    for name, value in computed.values.items():
        click.echo(f"{name}\t{json.dumps(value)}")


def _beside(services: Services, computed: Computed) -> dict[str, JSONValue]:
    """The values, behind what is registered and has not expired, where both are lists."""
    now = services.clock.now()
    found = services.reference_values.find_all(list(computed.values))
    held = {name: each.value for name, each in found.items() if each.expires_at > now}
    return {name: _joined(held.get(name), value) for name, value in computed.values.items()}


def _joined(held: JSONValue, computed: JSONValue) -> JSONValue:
    if not isinstance(held, list) or not isinstance(computed, list):
        return computed
    return [*held, *(each for each in computed if each not in held)]


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise MalformedRequestError(f"{path}: {error.strerror}") from error
