"""Both Azure attesters, from a software TPM and simulated hardware to the verifiers' claims."""

from __future__ import annotations

import base64
import hashlib
import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from bare_machine import bare_paths
from cryptography.hazmat.primitives.serialization import load_der_public_key
from paths import VECTORS
from simulated import azure_snp_site as snp_site
from simulated.paravisor import HCL_BYTES, Paravisor, paravisor
from software_tpm import SoftwareTPM

from app.attestation.evidence import Binding, Context, UnverifiedEvidence
from app.attestation.verifiers.az_tdx_vtpm import AzureTDXVerifier
from app.lab.snp import ReportFields
from app.lab.tdx import SimulatedTDX
from app.lab.vtpm import SNP, TDX, _number, bound_to, hcl_report
from app.trust.errors import BindingMismatchError, UnverifiedError
from guest.attester import Devices
from guest.attesters.az_snp_vtpm import ATTESTER as SNP_ATTESTER
from guest.attesters.az_tdx_vtpm import ATTESTER as TDX_ATTESTER
from guest.devices.hcl_report import HCLReport, ReportType
from guest.devices.tpm_quotes import public_key_info
from guest.errors import DeviceError, GuestError
from guest.wire.encoding import b64url_decode

REPORT_DATA = hashlib.sha384(b"nonce and key").digest()
INTEL = SimulatedTDX.at(datetime.now(UTC))
_TD_REPORT_DATA = 128


def variable(public: bytes, user_data: bytes | None) -> bytes:
    """The document that names the TPM's key."""
    key: Any = load_der_public_key(public_key_info(public))
    jwk = {"kid": "HCLAkPub", "kty": "RSA", "e": "AQAB", "n": _number(key.public_numbers())}
    members = {"keys": [jwk]} | ({} if user_data is None else {"user-data": user_data.hex()})
    return json.dumps(members).encode()


def snp_report(public: bytes, user_data: bytes | None) -> bytes:
    """An HCL report of an SNP machine."""
    data = variable(public, user_data)
    report = snp_site.MACHINE.chip.report(ReportFields(report_data=bound_to(data)))
    return hcl_report(report, data, SNP, size=HCL_BYTES)


def tdx_report(public: bytes, user_data: bytes | None) -> bytes:
    """An HCL report of a TDX machine: a TDREPORT whose report data is bound to the document."""
    data = variable(public, user_data)
    td_report = bytes(_TD_REPORT_DATA) + bound_to(data)
    return hcl_report(td_report, data, TDX, size=HCL_BYTES)


def metadata(call: Any, answer: Any) -> Any:
    """Azure's metadata service."""
    assert call.headers["Metadata"] == "true"
    if call.path == "/metadata/THIM/amd/certification":
        der = snp_site.MACHINE.chip.certificate
        text = base64.encodebytes(der).decode()
        pem = f"-----BEGIN CERTIFICATE-----\n{text}-----END CERTIFICATE-----\n"
        return answer(200, {}, json.dumps({"vcekCert": pem, "certificateChain": ""}).encode())
    assert call.path == "/acc/tdquote"
    td_report = b64url_decode(json.loads(call.body)["report"])
    assert len(td_report) == 1024
    quote = INTEL.quote(td_report[_TD_REPORT_DATA : _TD_REPORT_DATA + 64])
    return answer(200, {}, json.dumps({"quote": base64.b64encode(quote).decode()}).encode())


@dataclass
class Machine:
    """One Azure machine as its guest sees it."""

    devices: Devices
    around: Paravisor


@pytest.fixture
def machines(tpm: SoftwareTPM, serve: Any, answer: Any, clock: Any) -> Iterator[Any]:
    """Makes machines of either kind."""
    url = serve(lambda call: metadata(call, answer)).url
    opened = []

    def make(make_report: Any, metadata_url: str = url) -> Machine:
        folder = tempfile.TemporaryDirectory()
        around = paravisor(Path(folder.name), tpm, make_report)
        opened.append((folder, around))
        running = around.__enter__()
        paths = bare_paths(Path(folder.name) / "none", tpm=running.path)
        return Machine(Devices(paths, clock=clock, azure_metadata=metadata_url), running)

    yield make
    for folder, around in opened:
        around.__exit__(None, None, None)
        folder.cleanup()


def verify_tdx(evidence: Any, report_data: bytes) -> dict[str, Any]:
    """Claims under the simulated Intel."""
    verifier = AzureTDXVerifier().with_extra_roots(INTEL.intel.root_pem)
    (claims,) = verifier.verify(
        UnverifiedEvidence("az-tdx-vtpm", evidence),
        Binding(report_data),
        Context(datetime.now(UTC), INTEL.publication, {}),
    )
    return claims.values


def test_each_finds_its_own_kind(machines: Any, tmp_path: Path) -> None:
    """By the report that the virtual TPM keeps; a machine without one is neither."""
    for make, present, absent in (
        (snp_report, SNP_ATTESTER, TDX_ATTESTER),
        (tdx_report, TDX_ATTESTER, SNP_ATTESTER),
    ):
        devices = machines(make).devices
        assert present.is_present(devices)
        assert not absent.is_present(devices)
        with pytest.raises(DeviceError, match="holds no report"):
            absent.collect(REPORT_DATA, devices)
    assert not SNP_ATTESTER.is_present(Devices(bare_paths(tmp_path / "none")))


def test_a_report_that_is_not_made_anew_is_not_sent(machines: Any, clock: Any) -> None:
    """Ten seconds are enough for the firmware; an old report is for another nonce."""
    machine = machines(snp_report)
    machine.around.late = 1000
    with pytest.raises(DeviceError, match="does not take report data"):
        SNP_ATTESTER.collect(REPORT_DATA, machine.devices)
    assert sum(clock.waits) == 10


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (404, b"{}"),
        (500, b"no"),
        (200, b"no JSON"),
        (200, b"[]"),
        (200, b"{}"),
        (200, b'{"vcekCert":1,"quote":1}'),
        (200, b'{"vcekCert":"","quote":""}'),
        (200, b'{"vcekCert":"-----BEGIN CERTIFICATE-----\\n!\\n-----END CERTIFICATE-----"}'),
        (200, b'{"vcekCert":"-----BEGIN CERTIFICATE-----\\nAAAA","quote":"*"}'),
        (302, b""),
    ],
)
def test_refuses_what_the_metadata_service_may_not_answer(
    machines: Any, serve: Any, answer: Any, status: int, body: bytes
) -> None:
    """A refusal, a redirect, or no certificate and no quote."""
    url = serve(answer(status, {"Location": "http://127.0.0.1:1"}, body)).url
    for attester, make in ((SNP_ATTESTER, snp_report), (TDX_ATTESTER, tdx_report)):
        with pytest.raises(DeviceError):
            attester.collect(REPORT_DATA, machines(make, url).devices)


def test_a_metadata_service_that_is_away_is_an_error(machines: Any) -> None:
    """And not evidence without a certificate."""
    with pytest.raises(DeviceError, match="metadata"):
        SNP_ATTESTER.collect(REPORT_DATA, machines(snp_report, "http://127.0.0.1:1").devices)


def test_the_verifier_accepts_a_machine_on_snp(machines: Any, clock: Any) -> None:
    """Also when the firmware takes some seconds."""
    machine = machines(snp_report)
    machine.around.late = 3
    evidence = SNP_ATTESTER.collect(REPORT_DATA, machine.devices)
    assert evidence["version"] == 2
    assert clock.waits == [1.0] * 3
    claims = snp_site.verify(evidence, Binding(REPORT_DATA))
    assert claims["report_data"] == REPORT_DATA.hex()
    assert len(claims["tpm"]) == 24
    with pytest.raises(BindingMismatchError):
        snp_site.verify(evidence, Binding(REPORT_DATA[::-1]))


def test_the_verifier_accepts_a_machine_on_tdx(machines: Any) -> None:
    """The quote is made of the report's own TDREPORT."""
    machine = machines(tdx_report)
    evidence = TDX_ATTESTER.collect(REPORT_DATA, machine.devices)
    claims = verify_tdx(evidence, REPORT_DATA)
    assert claims["report_data"] == REPORT_DATA.hex()
    assert claims["tcb_status"] == "UpToDate"
    with pytest.raises(UnverifiedError):
        verify_tdx(evidence, REPORT_DATA[::-1])


def test_an_older_host_gives_an_older_version(machines: Any) -> None:
    """Where the report carries no user data, the quote alone is bound, and evidence says so."""
    machine = machines(lambda public, _: snp_report(public, None))
    evidence = SNP_ATTESTER.collect(REPORT_DATA, machine.devices)
    assert evidence["version"] == 1
    assert snp_site.verify(evidence, Binding(REPORT_DATA))["report_data"] == REPORT_DATA.hex()


@pytest.mark.parametrize(("kind", "number"), [("snp", 2), ("tdx", 4)])
def test_reads_genuine_reports(kind: str, number: int) -> None:
    """Captured ones: their type, and the user data of guests that have written none."""
    report = HCLReport.parse((VECTORS / f"az-{kind}-vtpm" / "hcl-report.bin").read_bytes())
    assert report.report_type == ReportType(number)
    assert report.user_data == bytes(64)
    assert report.is_whole
    assert len(report.td_report) == 1024


def test_refuses_a_report_that_is_cut_off_or_none() -> None:
    """At every length that matters."""
    whole = (VECTORS / "az-snp-vtpm" / "hcl-report.bin").read_bytes()
    for broken in (b"", whole[:0x4C0], whole[:0x4D4], whole[:1400], b"x" + whole[1:]):
        with pytest.raises(DeviceError):
            HCLReport.parse(broken)


def test_a_report_of_two_halves_is_not_sent(machines: Any) -> None:
    """It is read in pieces, and made anew at any time."""

    def halves(public: bytes, user_data: bytes) -> bytes:
        return snp_report(public, bytes(64))[:0x4C0] + snp_report(public, user_data)[0x4C0:]

    with pytest.raises(DeviceError, match="does not take report data"):
        SNP_ATTESTER.collect(REPORT_DATA, machines(halves).devices)


def test_refuses_long_report_data(machines: Any) -> None:
    """65 bytes do not fit."""
    with pytest.raises(GuestError):
        SNP_ATTESTER.collect(bytes(65), machines(snp_report).devices)
