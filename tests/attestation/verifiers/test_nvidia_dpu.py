"""NVIDIA's data processing units: no hardware vector exists, so keys of our own take its place."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from fakes import NOON
from paths import VECTORS
from simulated.collateral import MemoryCollateral
from simulated.dpu import ALIAS_PLAN, DEVICE_PLAN, SimulatedDPU
from simulated.nvidia import TCB_INFO, Plan, issue

from app.attestation.evidence import Binding, Claims, Context, UnverifiedEvidence
from app.attestation.verifiers.nvidia_dpu import VERIFIER, DPUVerifier
from app.trust.errors import (
    BindingMismatchError,
    ChainError,
    CollateralUnavailableError,
    ConfigError,
    DomainError,
    ExpiredCertificateError,
    MalformedEvidenceError,
    UntrustedRootError,
)

FOLDER = VECTORS / "synthetic" / "dpu"
SYNTHETIC = json.loads((FOLDER / "evidence.json").read_text("utf-8"))
HALF_PAST = datetime(2026, 11, 24, 0, 30, tzinfo=UTC)
REPORT_DATA = bytes(range(48))
PADDED = REPORT_DATA.ljust(64, b"\0")
ROOT = issue(Plan("DPU Root"))


@pytest.fixture(scope="module")
def root_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the operator keeps the root."""
    path = tmp_path_factory.mktemp("dpu") / "root.pem"
    path.write_bytes(ROOT.pem)
    return path


def verify(
    body: Any,
    root_file: Path,
    report_data: bytes | None = REPORT_DATA,
    now: datetime = NOON,
    **options: Any,
) -> Claims:
    """The one set of claims, or the refusal."""
    options = {"root_ca_cert_path": str(root_file)} | options
    context = Context(now, MemoryCollateral({}), options)
    (claims,) = VERIFIER.verify(
        UnverifiedEvidence("nvidia-dpu", body), Binding(report_data), context
    )
    return claims


def synthetic(body: Any, report_data: bytes | None = b"synthetic-report-data") -> Claims:
    """The same for evidence of the synthetic vector."""
    return verify(body, FOLDER / "root.pem", report_data, HALF_PAST)


def with_device(**changes: Any) -> dict[str, Any]:
    """The synthetic evidence with changes of its device."""
    return {"version": 1, "devices": [SYNTHETIC["devices"][0] | changes]}


# --- Accepted ----------------------------------------------------------------------------------


@pytest.mark.parametrize("padded", [0, 64])
def test_the_synthetic_evidence_gives_its_claims(padded: int) -> None:
    """Whether the caller or the guest pads."""
    expected = json.loads((FOLDER / "evidence.claims.json").read_text("utf-8"))
    claims = synthetic(SYNTHETIC, b"synthetic-report-data".ljust(padded, b"\0"))
    assert claims == Claims("nvidia-dpu", expected)


@pytest.mark.parametrize("signed", [REPORT_DATA, PADDED])
@pytest.mark.parametrize("raw", [True, False])
def test_bare_and_padded_report_data_are_accepted(
    root_file: Path, signed: bytes, raw: bool
) -> None:
    """What Trustee's verifier wants, and what its guest signs (wire.md 14.2, 43)."""
    dpu = SimulatedDPU(root=ROOT)
    claims = verify(dpu.evidence(signed, raw=raw), root_file)
    assert claims.values["session_nonce"] == signed.hex()
    assert claims.values["firmware_layers_count"] == 3


def test_without_report_data_the_claims_say_that_nothing_was_signed(root_file: Path) -> None:
    """The default policy then does not affirm the configuration."""
    claims = verify(SimulatedDPU(root=ROOT).evidence(b""), root_file, None)
    assert "session_nonce" not in claims.values


# --- Refused -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "signed",
    [b"", REPORT_DATA[:-1], bytes(48), PADDED + b"\0", REPORT_DATA + b"\0", b"\1" + PADDED],
)
def test_other_report_data_is_refused(root_file: Path, signed: bytes) -> None:
    """Padding is to 64 bytes and no other length."""
    with pytest.raises(BindingMismatchError):
        verify(SimulatedDPU(root=ROOT).evidence(signed), root_file)


@pytest.mark.parametrize("signature", ["", "AA==", base64.b64encode(bytes(96)).decode()])
def test_no_signature_is_no_binding(root_file: Path, signature: str) -> None:
    """Empty, too short, or zero."""
    body = SimulatedDPU(root=ROOT).evidence(PADDED, report_data_signature=signature)
    with pytest.raises(BindingMismatchError):
        verify(body, root_file)


def test_one_flipped_bit_in_the_signature_is_refused() -> None:
    """Each byte of it."""
    signature = base64.b64decode(SYNTHETIC["devices"][0]["report_data_signature"])
    for offset in range(len(signature)):
        flipped = bytearray(signature)
        flipped[offset] ^= 1 << offset % 8
        text = base64.b64encode(flipped).decode()
        with pytest.raises(BindingMismatchError):
            synthetic(with_device(report_data_signature=text))


@pytest.mark.parametrize("name", ["alias_cert", "device_id_cert"])
def test_one_flipped_bit_in_a_certificate_is_refused(name: str) -> None:
    """Nothing in a certificate is without a check."""
    certificate = base64.b64decode(SYNTHETIC["devices"][0][name])
    for offset in range(len(certificate)):
        flipped = bytearray(certificate)
        flipped[offset] ^= 1 << offset % 8
        with pytest.raises((ChainError, MalformedEvidenceError)):
            synthetic(with_device(**{name: base64.b64encode(flipped).decode()}))


@pytest.mark.parametrize("name", ["alias_cert", "device_id_cert"])
def test_a_certificate_that_is_cut_is_malformed(name: str) -> None:
    """At every length."""
    certificate = base64.b64decode(SYNTHETIC["devices"][0][name])
    for length in range(len(certificate)):
        with pytest.raises(MalformedEvidenceError):
            synthetic(with_device(**{name: base64.b64encode(certificate[:length]).decode()}))


SECOND = timedelta(seconds=1)
Build = Callable[[], SimulatedDPU]
MUTATIONS: dict[str, tuple[Build, type[DomainError]]] = {
    "another root of the same name": (SimulatedDPU, ChainError),
    "another root": (lambda: SimulatedDPU(root=issue(Plan("Nobody"))), UntrustedRootError),
    "an identity that expired": (
        lambda: SimulatedDPU(replace(DEVICE_PLAN, not_after=NOON - SECOND), root=ROOT),
        ExpiredCertificateError,
    ),
    "an identity of tomorrow": (
        lambda: SimulatedDPU(replace(DEVICE_PLAN, not_before=NOON + SECOND), root=ROOT),
        ExpiredCertificateError,
    ),
    "an alias of tomorrow": (
        lambda: SimulatedDPU(alias_plan=replace(ALIAS_PLAN, not_before=NOON + SECOND), root=ROOT),
        ExpiredCertificateError,
    ),
    "an alias that expired": (
        lambda: SimulatedDPU(alias_plan=replace(ALIAS_PLAN, not_after=NOON - SECOND), root=ROOT),
        ExpiredCertificateError,
    ),
    "an alias of long ago": (
        lambda: SimulatedDPU(
            alias_plan=replace(ALIAS_PLAN, not_before=NOON - timedelta(seconds=3601)), root=ROOT
        ),
        ExpiredCertificateError,
    ),
    "an alias on another curve": (
        lambda: SimulatedDPU(alias_plan=replace(ALIAS_PLAN, curve=ec.SECP256R1()), root=ROOT),
        MalformedEvidenceError,
    ),
    "an alias signed with SHA-256": (
        lambda: SimulatedDPU(alias_plan=replace(ALIAS_PLAN, hash=SHA256()), root=ROOT),
        MalformedEvidenceError,
    ),
}


@pytest.mark.parametrize("name", MUTATIONS)
def test_each_thing_that_is_wrong_has_its_reason(root_file: Path, name: str) -> None:
    """The leaf is exact, so operators and policies can tell."""
    build, expected = MUTATIONS[name]
    with pytest.raises(DomainError) as refusal:
        verify(build().evidence(PADDED), root_file)
    assert type(refusal.value) is expected


def test_the_alias_of_another_device_is_refused(root_file: Path) -> None:
    """Both devices are genuine."""
    one, other = SimulatedDPU(root=ROOT), SimulatedDPU(root=ROOT)
    body = one.evidence(PADDED, alias_cert=base64.b64encode(other.alias.der).decode())
    with pytest.raises(ChainError):
        verify(body, root_file)


def test_the_age_of_an_alias_is_the_operator_s_choice(root_file: Path) -> None:
    """A device that runs for a day has an alias of a day."""
    plan = replace(ALIAS_PLAN, not_before=NOON - timedelta(hours=20))
    body = SimulatedDPU(alias_plan=plan, root=ROOT).evidence(PADDED)
    assert verify(body, root_file, max_cert_age_secs=86_400)


# --- Shapes and options ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        {},
        {"devices": []},
        {"devices": [1]},
        {"devices": {}},
        {"devices": SYNTHETIC["devices"] * 2},
        with_device(alias_cert=None),
        with_device(alias_cert=7),
        with_device(alias_cert="?"),
        with_device(alias_cert=""),
        with_device(alias_cert="A" * 2**20),
        with_device(device_id_cert=["A"]),
        with_device(report_data_signature=None),
        with_device(report_data_signature="AA"),
        with_device(report_data_signature="A" * 1024),
    ],
)
def test_json_of_another_shape_is_malformed(body: Any) -> None:
    """Never a crash, always the guest's fault."""
    with pytest.raises(MalformedEvidenceError):
        synthetic(body)


BAD_OPTIONS: list[dict[str, Any]] = [
    {},
    {"root_ca_cert_path": ""},
    {"root_ca_cert_path": 7},
    {"root_ca_cert_path": "/nowhere"},
    {"root_ca_cert_path": str(FOLDER / "evidence.json")},
    {"root_ca_cert_path": str(FOLDER / "root.pem"), "max_cert_age_secs": 0},
    {"root_ca_cert_path": str(FOLDER / "root.pem"), "max_cert_age_secs": True},
    {"root_ca_cert_path": str(FOLDER / "root.pem"), "max_cert_age_secs": "1"},
    {"root_ca_cert_path": str(FOLDER / "root.pem"), "typo": 1},
]


@pytest.mark.parametrize("options", BAD_OPTIONS)
def test_options_that_cannot_serve_are_refused(options: dict[str, Any]) -> None:
    """Before anything is served; and while it is served, nobody is believed."""
    with pytest.raises(ConfigError, match="nvidia-dpu"):
        DPUVerifier().check_options(options)
    context = Context(HALF_PAST, MemoryCollateral({}), options)
    with pytest.raises(CollateralUnavailableError):
        VERIFIER.verify(UnverifiedEvidence("nvidia-dpu", SYNTHETIC), Binding(None), context)


def test_options_that_serve_are_taken() -> None:
    """A root and nothing else is needed."""
    DPUVerifier().check_options({"root_ca_cert_path": str(FOLDER / "root.pem")})


def test_a_certificate_without_layers_counts_none(root_file: Path) -> None:
    """It is genuine, and affirms no firmware."""
    for extensions in ({}, {TCB_INFO: b"\x30\x02\xa6\x01"}):
        plan = replace(DEVICE_PLAN, extensions=extensions)
        dpu = SimulatedDPU(device_plan=plan, root=ROOT)
        claims = verify(dpu.evidence(PADDED), root_file)
        assert claims.values["firmware_layers_count"] == 0
