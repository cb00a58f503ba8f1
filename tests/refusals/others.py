"""TPM, CCA, Secure Execution, samples: one refusal for each check and each of its reasons."""

from __future__ import annotations

import base64
import hashlib
import tempfile
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import cbor2
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from fakes import NOON
from simulated.cca import SimulatedCCA, collection, sign
from simulated.collateral import MemoryCollateral
from simulated.se import Firmware, SimulatedZ

from app.attestation.evidence import Binding, Context, UnverifiedEvidence, Verifier
from app.attestation.verifiers import cca, sample, sampledevice, se, tpm
from app.lab.vtpm import QuotePlan, ak, registers, spki, tpm_evidence
from guest.wire.encoding import b64_encode

Attempt = Callable[[], object]
Rows = dict[str, Attempt]
DAY = timedelta(days=1)
BOUND = Binding(b"bound")


def verify(
    verifier: Verifier, body: Any, binding: Binding = BOUND, options: Any = None, told: Any = None
) -> object:
    """The claims, or the refusal."""
    context = Context(NOON, MemoryCollateral({}), options or {}, told)
    return verifier.verify(UnverifiedEvidence(verifier.tee, body), binding, context)


# --- TPM ---------------------------------------------------------------------------------------

INIT_DATA = hashlib.sha256(b"init data").digest()
EXTRA = b"bound".ljust(32, b"\0")
TPM_BOUND = Binding(b"bound", INIT_DATA)
_OTHER_USES = (
    "content_commitment key_encipherment data_encipherment key_agreement crl_sign encipher_only "
    "decipher_only"
)
ENROLLED = {"trusted_aks": [hashlib.sha256(spki()).hexdigest()]}


def quote(extra: bytes = EXTRA, listed: Any = None, **plan: Any) -> dict[str, Any]:
    """Evidence of the simulated TPM."""
    return tpm_evidence(QuotePlan(extra, registers(INIT_DATA), **plan), listed)


@cache
def authority(name: str) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    """A root that vouches for attestation keys."""
    key = ec.generate_private_key(ec.SECP256R1())
    return certificate(name, name, key.public_key(), key, is_authority=True), key


def certificate(
    subject: str, issuer: str, public: Any, signer: Any, *, is_authority: bool, days: int = 1
) -> x509.Certificate:
    """A certificate as TPM vendors make them."""
    uses = dict.fromkeys(_OTHER_USES.split(), False)
    usage = x509.KeyUsage(digital_signature=True, key_cert_sign=is_authority, **uses)
    purpose = x509.ExtendedKeyUsage([x509.ObjectIdentifier("2.23.133.8.3")])
    constraints = x509.BasicConstraints(ca=is_authority, path_length=None)
    names = [
        x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, each)])
        for each in (subject, issuer)
    ]
    builder = (
        x509.CertificateBuilder(*reversed(names), public, x509.random_serial_number())
        .not_valid_before(NOON - 9 * DAY)
        .not_valid_after(NOON + days * DAY)
        .add_extension(constraints, critical=True)
        .add_extension(usage, critical=True)
    )
    if not is_authority:
        builder = builder.add_extension(purpose, critical=False)
    return builder.sign(signer, SHA256())


def leaf(issuer: str = "Root", *, public: Any = None, by: Any = None, days: int = 1) -> bytes:
    """The certificate of the simulated attestation key."""
    signer = by or authority(issuer)[1]
    key = public or ak().public_key()
    made = certificate("AK", issuer, key, signer, is_authority=False, days=days)
    return made.public_bytes(Encoding.DER)


@cache
def root_file() -> dict[str, str]:
    """The option that pins the root."""
    path = Path(tempfile.mkdtemp()) / "roots.pem"
    path.write_bytes(authority("Root")[0].public_bytes(Encoding.PEM))
    return {"ak_roots": str(path)}


def certified(*chain: bytes, options: Any = None) -> Attempt:
    """Evidence whose key is not enrolled, with certificates."""
    body = quote() | {"ak_certificates": [base64.b64encode(each).decode() for each in chain]}
    return lambda: verify(tpm.VERIFIER, body, TPM_BOUND, options or root_file())


def tpm_rows() -> Rows:
    """All of ``tpm``."""

    def enrolled(body: Any, binding: Binding = TPM_BOUND) -> Attempt:
        return lambda: verify(tpm.VERIFIER, body, binding, ENROLLED)

    stranger = ec.generate_private_key(ec.SECP256R1())
    forged = quote()
    forged["tpm_quote"]["message"] = quote(bytes(32))["tpm_quote"]["message"]
    short = {"trusted_aks": [hashlib.sha256(b"key").hexdigest()]}
    no_key = quote() | {"ak_public": b64_encode(b"key")}
    return {
        "1 malformed-evidence": enrolled(quote(magic=b"\xffTCH")),
        "2 attestation-key-untrusted": lambda: verify(tpm.VERIFIER, quote(), TPM_BOUND),
        "2b malformed-evidence": certified(b"\x30\x00"),
        "2b attestation-key-untrusted": certified(leaf(public=stranger.public_key())),
        "2c chain-invalid": certified(
            leaf("Middle", by=stranger), authority("Middle")[0].public_bytes(Encoding.DER)
        ),
        "2c root-untrusted": certified(leaf("Other")),
        "2c certificate-expired": certified(leaf(days=-1)),
        "2d collateral-unavailable": certified(leaf(), options={"ak_roots": "/nowhere"}),
        "3 malformed-evidence": lambda: verify(tpm.VERIFIER, no_key, TPM_BOUND, short),
        "4 signature-invalid": enrolled(forged),
        "5 binding-mismatch": enrolled(quote(), Binding(b"other", INIT_DATA)),
        "6 register-mismatch": enrolled(quote(listed=[bytes(32), *registers(INIT_DATA)[1:]])),
        "7 init-data-mismatch": enrolled(quote(), Binding(b"bound", bytes(32))),
    }


# --- CCA ---------------------------------------------------------------------------------------


@cache
def realm() -> tuple[SimulatedCCA, dict[str, str]]:
    """A platform, and the operator's files that know it."""
    site = SimulatedCCA()
    return site, site.write_files(Path(tempfile.mkdtemp()))


def cca_rows() -> Rows:
    """All of ``cca``."""
    site, options = realm()
    stranger = SimulatedCCA()

    def token(made: bytes, binding: Binding = BOUND) -> Attempt:
        return lambda: verify(cca.VERIFIER, {"token": [*made]}, binding, options)

    def platform(**changes: Any) -> Attempt:
        return token(site.token(platform=site.platform(**changes)))

    claims = cbor2.dumps(site.platform()), cbor2.dumps(site.realm(b"bound"))
    whole = {"token": [*site.token()]}
    return {
        "1 malformed-evidence": token(b""),
        "2 collateral-unavailable": lambda: verify(cca.VERIFIER, whole, BOUND, {}),
        "3 root-untrusted": platform(l256=b"\1" + bytes(32)),
        "4 signature-invalid": token(
            collection(sign(stranger.cpak, claims[0]), sign(site.rak, claims[1]))
        ),
        "5 collateral-mismatch": platform(l2396=bytes(32)),
        "6 tcb-unsupported": platform(l2395=0x1000),
        "7 chain-invalid": platform(l10=bytes(32)),
        "8 signature-invalid": token(
            collection(sign(site.cpak, claims[0]), sign(stranger.rak, claims[1]))
        ),
        "9 tcb-unsupported": platform(l2401=b"\1"),
        "10 binding-mismatch": token(site.token(), Binding(b"other")),
        "11 init-data-mismatch": token(site.token(), Binding(b"bound", b"\1" * 64)),
    }


# --- Secure Execution --------------------------------------------------------------------------


def machine() -> SimulatedZ:
    """A machine with files of its own."""
    return SimulatedZ(Path(tempfile.mkdtemp()))


def challenge(site: SimulatedZ, **options: Any) -> str:
    """A challenge for it."""
    context = Context(NOON, MemoryCollateral({}), site.options(**options))
    return se.SEVerifier().challenge("", context)


def se_rows() -> Rows:
    """All of ``se``."""
    site, other = machine(), machine()
    asked, again = challenge(site), challenge(site)
    firmware = Firmware(site.host_key)
    data = b"bound".ljust(64, b"\0")
    honest = firmware.attest(asked, data)

    def attempt(body: Any, binding: Binding = BOUND, told: str = asked, **options: Any) -> Attempt:
        return lambda: verify(se.VERIFIER, body, binding, site.options(**options), told)

    def doubtful() -> object:
        other.revoke(other.document.serial_number)
        return challenge(other)

    return {
        "before 1 collateral-unavailable": lambda: challenge(site, image_header="/nowhere"),
        "before 2 collateral-unavailable": doubtful,
        "of 1 malformed-evidence": attempt(honest | {"cuid": "AA=="}),
        "of 2 collateral-unavailable": attempt(honest, measurement_key="/nowhere"),
        "of 3 signature-invalid": attempt(honest | {"cuid": b64_encode(bytes(16))}),
        "of 4 identity-mismatch": attempt(firmware.attest(asked, data, tags=bytes(208))),
        "of 5 binding-mismatch": attempt(honest, told=again),
        "of 6 binding-mismatch": attempt(honest, Binding(b"other")),
    }


# --- Samples -----------------------------------------------------------------------------------


def sample_rows(verifier: Verifier) -> Rows:
    """All of ``sample``, and of ``sampledevice``."""
    body = {"svn": "1", "report_data": b64_encode(b"bound")}
    return {
        "1 malformed-evidence": lambda: verify(verifier, body | {"svn": 1}),
        "2 binding-mismatch": lambda: verify(verifier, body, Binding(b"other")),
    }


def accepted() -> Iterator[tuple[str, Attempt]]:
    """What all of this starts from."""
    yield "tpm", lambda: verify(tpm.VERIFIER, quote(), TPM_BOUND, ENROLLED)
    yield "tpm, certified", certified(leaf())
    site, options = realm()
    yield "cca", lambda: verify(cca.VERIFIER, {"token": [*site.token()]}, BOUND, options)
    yield "se", _honest_guest
    body = {"svn": "1", "report_data": b64_encode(b"bound")}
    yield "sample", lambda: verify(sample.VERIFIER, body)
    yield "sampledevice", lambda: verify(sampledevice.VERIFIER, body)


def _honest_guest() -> object:
    site = machine()
    asked = challenge(site)
    evidence = Firmware(site.host_key).attest(asked, b"bound".ljust(64, b"\0"))
    return verify(se.VERIFIER, evidence, BOUND, site.options(), asked)


ROWS = {
    "tpm": tpm_rows,
    "cca": cca_rows,
    "se": se_rows,
    "sample": lambda: sample_rows(sample.VERIFIER),
    "sampledevice": lambda: sample_rows(sampledevice.VERIFIER),
}
