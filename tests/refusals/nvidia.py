"""NVIDIA's GPUs and DPUs: one refusal for each check and each of its reasons."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA384
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from fakes import NOON
from simulated.collateral import MemoryCollateral
from simulated.dpu import ALIAS_PLAN, DEVICE_PLAN, SimulatedDPU
from simulated.nras import SimulatedNRAS, judgement
from simulated.nvidia import (
    FWID,
    NONCE,
    Holder,
    Plan,
    Report,
    SimulatedNVIDIA,
    evidence,
    issue,
    leaf_plan,
    opaque,
)
from simulated.nvidia_manifests import DRIVER_NAME, ManifestSigner, Parts, served

from app.attestation.collateral.nras import NRAS
from app.attestation.collateral.ports import Collateral
from app.attestation.evidence import Binding, Context, UnverifiedEvidence
from app.attestation.formats.nvidia_certificates import parse_certificate
from app.attestation.formats.nvidia_ocsp import state_name
from app.attestation.verifiers import nvidia_dpu
from app.attestation.verifiers.nvidia import NVIDIAVerifier
from app.trust.errors import UnknownPlatformError

Attempt = Callable[[], object]
Rows = dict[str, Attempt]
HOUR, SECOND = timedelta(hours=1), timedelta(seconds=1)
NOW = int(NOON.timestamp())
SITE, STRANGER = SimulatedNVIDIA(), SimulatedNVIDIA()
SIGNER, FORGER = ManifestSigner(), ManifestSigner()
VERIFIER = NVIDIAVerifier().with_extra_roots(SITE.root.pem + SIGNER.root.pem)
STATE = state_name(parse_certificate(SITE.identity.der), parse_certificate(SITE.root.der))
GOOD, REVOKED = ocsp.OCSPCertStatus.GOOD, ocsp.OCSPCertStatus.REVOKED
UNKNOWN = ocsp.OCSPCertStatus.UNKNOWN


def answer(
    status: ocsp.OCSPCertStatus = GOOD,
    about: Holder = SITE.identity,
    signer: Holder = SITE.root,
    until: datetime = NOON + HOUR,
    issuer: Holder = SITE.root,
) -> bytes:
    """What NVIDIA's responder says of a certificate."""
    revoked_at = NOON - HOUR if status is REVOKED else None
    builder = ocsp.OCSPResponseBuilder().add_response(
        about.certificate, issuer.certificate, SHA384(), status, NOON - HOUR, until,
        revoked_at, None,
    ).responder_id(ocsp.OCSPResponderEncoding.HASH, signer.certificate)  # fmt: skip
    return builder.sign(signer.key, SHA384()).public_bytes(Encoding.DER)


def manifest_states(status: ocsp.OCSPCertStatus = GOOD) -> dict[str, bytes]:
    """What it says of who signs manifests, and of the authority above."""
    pairs = [(SIGNER.signer, SIGNER.authority, status), (SIGNER.authority, SIGNER.root, GOOD)]
    return {
        state_name(parse_certificate(of.der), parse_certificate(by.der)): answer(
            told, of, SIGNER.root, issuer=by
        )
        for of, by, told in pairs
    }


def documents() -> dict[str, bytes]:
    """What NVIDIA has about the faultless device."""
    return {STATE: answer(), **manifest_states(), **SIGNER.documents()}


class NoManifests(MemoryCollateral):
    """A source whose vendor says that there are none."""

    def get(self, name: str) -> Collateral:
        """The port ``CollateralSource``."""
        if name.startswith("nvidia/rim/"):
            raise UnknownPlatformError(f"nobody has {name}")
        return super().get(name)


def verify(body: Any, report_data: bytes | None = NONCE, source: Any = None) -> object:
    """The claims of devices that are verified here; nothing may be missing."""
    found = MemoryCollateral(documents()) if source is None else source
    options = {"revocation": "require", "manifests": "require"}
    context = Context(NOON, found, options)
    return VERIFIER.verify(UnverifiedEvidence("nvidia", body), Binding(report_data), context)


def with_documents(**changed: bytes | None) -> MemoryCollateral:
    """All documents but some, by what they are: ``state``, ``driver``."""
    names = {"state": STATE, "driver": DRIVER_NAME}
    found = documents() | {names[name]: body for name, body in changed.items()}
    return MemoryCollateral({name: body for name, body in found.items() if body is not None})


def told(manifest: bytes) -> Attempt:
    """A faultless device, and another manifest of its driver."""
    return lambda: verify(faultless(), source=with_documents(driver=served(manifest)))


def faultless(**parts: Any) -> dict[str, Any]:
    """A device whose report says something."""
    return evidence(Report(**parts).signed_by(SITE.device), SITE.chain())


def under(plan: Plan) -> Attempt:
    """A report by a key whose certificate says something else."""
    device = issue(plan, SITE.identity)
    return lambda: verify(evidence(Report().signed_by(device), SITE.chain(device)))


def about(**changes: Any) -> Attempt:
    """Another answer of the responder."""
    return lambda: verify(faultless(), source=with_documents(state=answer(**changes)))


def local_rows() -> Rows:
    """What is verified here."""
    one = faultless()["device_evidence_list"]
    grafted = [STRANGER.device, STRANGER.identity, SITE.root]
    return {
        "1 binding-mismatch": lambda: verify(faultless(), None),
        "2 malformed-evidence": lambda: verify({"device_evidence_list": []}),
        "3 malformed-evidence": lambda: verify(faultless(blocks=[])),
        "4 root-untrusted": lambda: verify(
            evidence(Report().signed_by(STRANGER.device), STRANGER.chain())
        ),
        "5 chain-invalid": lambda: verify(evidence(Report().signed_by(STRANGER.device), grafted)),
        "6 certificate-expired": under(leaf_plan(not_after=NOON - SECOND)),
        "7 signature-invalid": lambda: verify(
            evidence(Report().signed_by(STRANGER.device), SITE.chain())
        ),
        "8 malformed-evidence": lambda: verify({"device_evidence_list": one + one}),
        "9 binding-mismatch": lambda: verify(faultless(), bytes(32)),
        "10 certificate-revoked": about(status=REVOKED),
        "10 chain-invalid": about(status=UNKNOWN),
        "10 signature-invalid": about(signer=STRANGER.root),
        "10 collateral-mismatch": about(about=SITE.device),
        "10 collateral-stale": about(until=NOON),
        "10 collateral-unavailable": lambda: verify(faultless(), source=with_documents(state=None)),
        "11 malformed-evidence": lambda: verify(faultless(opaque=opaque() + opaque())),
        "12 identity-mismatch": under(leaf_plan(bytes(48))),
        **manifest_rows(),
    }


def manifest_rows() -> Rows:
    """Checks 13 to 16 of what is verified here."""
    grafted = [FORGER.signer, FORGER.authority, SIGNER.root]
    nameless = opaque({3: b"550.1", 6: bytes.fromhex("009f009601000000"), 20: FWID})
    old = ManifestSigner(Plan("RIM Signer", authority=False, not_after=NOON - SECOND))
    revoked = MemoryCollateral(documents() | manifest_states(REVOKED))

    def by_old() -> object:
        verifier = NVIDIAVerifier().with_extra_roots(SITE.root.pem + old.root.pem)
        context = Context(NOON, MemoryCollateral(old.documents()), {})
        found = UnverifiedEvidence("nvidia", faultless())
        return verifier.verify(found, Binding(NONCE), context)

    return {
        "13 malformed-evidence": lambda: verify(faultless(opaque=nameless)),
        "13 platform-unknown": lambda: verify(faultless(), source=NoManifests(documents())),
        "13 collateral-unavailable": lambda: verify(
            faultless(), source=with_documents(driver=None)
        ),
        "13 collateral-mismatch": told(SIGNER.manifest(Parts("551.0"))),
        "14 signature-invalid": told(SIGNER.manifest().replace(b"tagCreator", b"tagDreamer")),
        "14 chain-invalid": told(FORGER.manifest(chain=grafted)),
        "14 root-untrusted": told(FORGER.manifest()),
        "15 certificate-revoked": lambda: verify(faultless(), source=revoked),
        "15 certificate-expired": by_old,
        "16 measurement-mismatch": told(SIGNER.manifest(Parts(golden={1: ["11" * 48]}))),
    }


def remote_rows() -> Rows:
    """What NVIDIA's service verifies."""

    def asked(report_data: bytes | None = NONCE, body: Any = None, **habits: Any) -> Attempt:
        def attempt() -> object:
            service = SimulatedNRAS(**habits)
            verifier = NVIDIAVerifier(nras=NRAS(lambda: service))
            context = Context(NOON, MemoryCollateral({}), {"type": "remote"})
            found = evidence(b"report", b"chain") if body is None else body
            return verifier.verify(
                UnverifiedEvidence("nvidia", found), Binding(report_data), context
            )

        return attempt

    def judged(**changes: Any) -> Attempt:
        claims = {name: each for name, each in judgement(**changes).items() if each is not ...}
        return asked(claims=lambda *_: claims)

    matches = "x-nvidia-gpu-attestation-report-nonce-match"
    return {
        "1 binding-mismatch": asked(None),
        "1 malformed-evidence": asked(body={"device_evidence_list": []}),
        "2 collateral-unavailable": asked(down=True),
        "3 malformed-evidence": asked(status=422),
        "4 signature-invalid": asked(header={"kid": "other"}),
        "5 collateral-stale": judged(exp=NOW - 60),
        "5 collateral-unavailable": judged(iat=...),
        "6 binding-mismatch": judged(**{matches: False}),
    }


def nvidia_rows() -> Rows:
    """All of ``nvidia``."""
    return {
        **{f"local {label}": attempt for label, attempt in local_rows().items()},
        **{f"remote {label}": attempt for label, attempt in remote_rows().items()},
    }


def dpu_rows() -> Rows:
    """All of ``nvidia-dpu``."""
    root = issue(Plan("DPU Root"))
    options = {"root_ca_cert_path": str(_written(root.pem))}

    def of(dpu: SimulatedDPU, signed: bytes = NONCE, **more: Any) -> Attempt:
        return lambda: verify_dpu(dpu.evidence(signed), options | more)

    def with_alias(**changes: Any) -> Attempt:
        return of(SimulatedDPU(alias_plan=replace(ALIAS_PLAN, **changes), root=root))

    old = replace(DEVICE_PLAN, not_after=NOON - SECOND)
    return {
        "1 collateral-unavailable": of(SimulatedDPU(root=root), root_ca_cert_path="/nowhere"),
        "2 malformed-evidence": with_alias(curve=ec.SECP256R1()),
        "3 root-untrusted": of(SimulatedDPU(root=issue(Plan("Nobody")))),
        "4 chain-invalid": of(SimulatedDPU()),
        "5 certificate-expired": of(SimulatedDPU(old, root=root)),
        "6 certificate-expired": with_alias(not_before=NOON - HOUR - SECOND),
        "7 binding-mismatch": of(SimulatedDPU(root=root), b"other"),
    }


def verify_dpu(body: Any, options: dict[str, Any]) -> object:
    """The claims of a DPU."""
    context = Context(NOON, MemoryCollateral({}), options)
    return nvidia_dpu.VERIFIER.verify(
        UnverifiedEvidence("nvidia-dpu", body), Binding(NONCE), context
    )


def accepted() -> Iterator[tuple[str, Attempt]]:
    """What all of this starts from."""
    yield "nvidia", lambda: verify(faultless())
    dpu = SimulatedDPU()
    options = {"root_ca_cert_path": str(_written(dpu.root.pem))}
    yield "nvidia-dpu", lambda: verify_dpu(dpu.evidence(NONCE), options)


def _written(pem: bytes) -> Path:
    path = Path(tempfile.mkdtemp()) / "root.pem"
    path.write_bytes(pem)
    return path


ROWS = {"nvidia": nvidia_rows, "nvidia-dpu": dpu_rows}
