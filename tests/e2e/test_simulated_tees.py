"""The whole path without hardware: a kernel's report interface, the real attester, both models.

The reports have the form of the real thing and are signed under roots of the tests, which the
server trusts only because an ``insecure_`` setting names them.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
import urllib3
from emulated_tsm import EmulatedTSM
from processes import Server, free_port, running, vouchgate
from servers import AdminKey, settings_table
from toml_files import write_toml

from app.lab.amd_authority import SimulatedAMD
from app.lab.snp import ReportFields, make_chip
from app.lab.tdx import SimulatedTDX
from guest.devices.paths import DevicePaths
from guest.errors import GuestError, InitDataMismatchError
from guest.settings import BACKGROUND_CHECK, PASSPORT, ServiceSettings, Settings
from guest.wire.encoding import b64_encode, b64url_encode
from guest.wire.runtime_data import runtime_data_digest
from guest.wiring import Outside, build_agent, build_hub

SECRET = b"for real attesters"
MEASUREMENT = bytes(range(48))
INIT_DATA = 'version = "0.1.0"\nalgorithm = "sha256"\n[data]\n"aa.toml" = "x = 1"\n'

# Affirming for exactly what the simulated machines are; the configuration is for policy to judge.
POLICY = """
package policy

import rego.v1

default hardware := 97

hardware := 2 if input.snp.measurement in query_reference_value("snp_launch_measurement")

hardware := 2 if {
    input.tdx.tcb_status == "UpToDate"
    input.tdx.collateral_expiration_status == "0"
    input.tdx.quote.body.mr_td in query_reference_value("mr_td")
}

trust_claims := {"hardware": hardware}
"""


@dataclass(frozen=True)
class Machine:
    """A simulated machine as its guest's kernel shows it."""

    tee: str
    kernel: EmulatedTSM
    values: dict[str, list[str]]


def snp_machine(vmpl: int = 0, told: str = INIT_DATA) -> Machine:
    """A Milan chip whose guest was launched with the init data.

    Args:
        vmpl: at which it asks.
        told: init data that a bad guest has its own check see.
    """
    chip = make_chip(AMD)
    host_data = init_data_digest(INIT_DATA)

    def report(inblob: bytes) -> bytes:
        fields = ReportFields(
            version=3,
            report_data=inblob,
            measurement=MEASUREMENT,
            host_data=host_data if any(inblob) else init_data_digest(told),
            vmpl=vmpl,
        )
        return chip.report(fields)

    kernel = EmulatedTSM("sev_guest", report, auxblob=certificate_table(chip.certificate))
    return Machine("snp", kernel, {"snp_launch_measurement": [MEASUREMENT.hex()]})


def tdx_machine() -> Machine:
    """A TDX machine whose Intel publishes fresh collateral."""
    kernel = EmulatedTSM("tdx_guest", TDX.quote)
    mr_td = TDX.quote(b"")[48 + 136 : 48 + 184].hex()
    return Machine("tdx", kernel, {"mr_td": [mr_td]})


AMD = SimulatedAMD("Milan")
TDX = SimulatedTDX.at(datetime.now(UTC))


def init_data_digest(text: str) -> bytes:
    """SHA-256 of an init-data document, as HOST_DATA has it."""
    return hashlib.sha256(text.encode()).digest()


def certificate_table(vcek: bytes) -> bytes:
    """The firmware's certificate table with a VCEK (GHCB specification, SNP extended report)."""
    entry = uuid.UUID("63da758d-e664-4564-adc5-f4b93be8accd").bytes
    offset = 2 * 24
    header = entry + offset.to_bytes(4, "little") + len(vcek).to_bytes(4, "little")
    return header + bytes(24) + vcek


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that trusts the simulated vendors, with one secret."""
    folder = tmp_path_factory.mktemp("simulated")
    admin = AdminKey.make(folder)
    (folder / "amd.pem").write_bytes(AMD.root_pem)
    (folder / "intel.pem").write_bytes(TDX.intel.root_pem)
    for name, document in (AMD.documents() | {"amd/milan/crl": AMD.crl()}).items():
        path = folder / "collateral" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(document)
    (folder / "bundle.json").write_text(json.dumps(TDX.publication.bundle()))
    port = free_port()
    table = settings_table(
        folder,
        server={"bind": [f"127.0.0.1:{port}"], "workers": 1},
        attestation={
            "verifiers": ["snp", "tdx"],
            "insecure_allow_sample": False,
            "insecure_extra_roots": {
                "snp": str(folder / "amd.pem"),
                "tdx": str(folder / "intel.pem"),
            },
        },
        collateral={
            "sources": ["cache", f"offline:{folder / 'collateral'}"],
            "intel_bundle": str(folder / "bundle.json"),
        },
    )
    config = write_toml(folder / "vouchgate.toml", table)
    url = f"http://127.0.0.1:{port}"
    with running(vouchgate("serve", "--config", str(config)), url, folder / "log") as server:
        administer(url, admin)
        yield server


def administer(url: str, admin: AdminKey) -> None:
    """Policy, reference values and the secret."""
    http = urllib3.PoolManager(retries=False, timeout=30)
    values = snp_machine().values | tdx_machine().values
    payload = b64_encode(json.dumps(values).encode())
    requests = {
        "/kbs/v0/resource/default/app/key": SECRET,
        "/kbs/v0/reference-value": json.dumps(
            {"version": "0.1.0", "type": "sample", "payload": payload}
        ).encode(),
        "/kbs/v0/attestation-policy": json.dumps(
            {"policy_id": "default_cpu", "policy": b64url_encode(POLICY.encode())}
        ).encode(),
    }
    for path, body in requests.items():
        reply = http.request("POST", url + path, body=body, headers=admin.headers())
        assert reply.status == 200, reply.data


def fetch(
    machine: Machine, server: Server, tmp_path: Path, model: str, init_data: str | None = None
) -> bytes:
    """What a guest on the machine gets, with the guest's own code from device to plaintext."""
    reports = tmp_path / "report"
    reports.mkdir()
    service = ServiceSettings(server.url)
    settings = Settings(
        model=model,
        attestation_service=service if model == PASSPORT else None,
        key_broker=service,
        resources=service,
        tee=machine.tee,
        init_data=init_data,
        devices=DevicePaths(tsm_report=reports, ccel=tmp_path / "no-ccel"),
    )
    outside = Outside(files=machine.kernel)
    hub = build_hub(settings, build_agent(settings, outside), outside)
    return hub.get_resource("kbs:///default/app/key")


@pytest.mark.parametrize("model", [BACKGROUND_CHECK, PASSPORT])
@pytest.mark.parametrize("make", [snp_machine, tdx_machine], ids=["snp", "tdx"])
def test_a_simulated_machine_gets_its_secret(
    server: Server, tmp_path: Path, make: Callable[[], Machine], model: str
) -> None:
    """From the kernel's report to the plaintext, in both models."""
    assert fetch(make(), server, tmp_path, model) == SECRET


def test_init_data_is_bound(server: Server, tmp_path: Path) -> None:
    """The init data that the guest shows is the one it was launched with."""
    assert fetch(snp_machine(), server, tmp_path, BACKGROUND_CHECK, INIT_DATA) == SECRET


def test_other_init_data_is_refused(server: Server, tmp_path: Path) -> None:
    """A guest cannot claim init data that it was not launched with."""
    other = INIT_DATA.replace("x = 1", "x = 2")
    with pytest.raises(GuestError) as refused:
        fetch(snp_machine(told=other), server, tmp_path, BACKGROUND_CHECK, other)
    assert refused.value.reason == "init-data-mismatch"


def test_a_guest_refuses_other_init_data_itself(server: Server, tmp_path: Path) -> None:
    """Before it asks anyone."""
    with pytest.raises(InitDataMismatchError):
        fetch(snp_machine(), server, tmp_path, BACKGROUND_CHECK, INIT_DATA + "\n")


def test_a_lower_privilege_level_is_refused(server: Server, tmp_path: Path) -> None:
    """A report of VMPL 1 does not vouch for the guest's firmware."""
    with pytest.raises(GuestError) as refused:
        fetch(snp_machine(vmpl=1), server, tmp_path, BACKGROUND_CHECK)
    assert refused.value.reason == "privilege-level"


def test_a_replayed_report_is_refused(server: Server, tmp_path: Path) -> None:
    """A report made for another nonce does not vouch for this one."""
    machine = snp_machine()
    old = machine.kernel.make_report(runtime_data_digest({"nonce": "old"}).ljust(64, b"\0"))
    machine.kernel.make_report = lambda _: old
    with pytest.raises(GuestError) as refused:
        fetch(machine, server, tmp_path, PASSPORT)
    assert refused.value.reason == "binding-mismatch"
