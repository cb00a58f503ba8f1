"""Signed in-toto statements: what was built, and its digests.

Sources: DSSE 1.0 (envelope, and the encoding that is signed); in-toto attestation framework,
Statement v0.1 and v1; SLSA provenance v0.2 and v1. The payload of the message is base64 of the
envelope's JSON: ``{"payloadType": …, "payload": base64, "signatures": [{"sig": base64, "cert":
PEM, leaf first} …]}``; ``cert`` may be missing. Each subject becomes the value of its name: the
list of its digests, lower-case hex.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from app.attestation.extractors import Extracted, Extractor
from app.attestation.message_signers import (
    Signer,
    SigningKey,
    TrustedSigners,
    verify_signature,
)
from app.trust.errors import (
    DomainError,
    MalformedReferenceValueError,
    SignatureError,
    UntrustedSignerError,
)
from app.trust.json_types import JSONValue
from guest.wire.encoding import b64_decode
from guest.wire.errors import WireError
from guest.wire.strict_json import parse_json_object

PAYLOAD_TYPE = "application/vnd.in-toto+json"
MAX_SIGNATURES = 8
_MAX_CERTIFICATE_CHARACTERS = 64 * 1024

_STATEMENTS = frozenset({"https://in-toto.io/Statement/v0.1", "https://in-toto.io/Statement/v1"})
# Where a kind of statement names its builder. Only kinds that say "this was built" are read: the
# subjects of a failed test or of a scan are named in the same way, and are not to be trusted.
_BUILDERS: dict[str, tuple[str, ...]] = {
    "https://slsa.dev/provenance/v0.2": ("builder", "id"),
    "https://slsa.dev/provenance/v1": ("runDetails", "builder", "id"),
}
# Hex digits by algorithm; weaker ones tell builds apart to nobody's satisfaction.
_DIGITS = {"sha256": 64, "sha384": 96, "sha512": 128}
_HEX = re.compile(r"[0-9a-f]+")


@dataclass(frozen=True, slots=True)
class _Signature:
    """One of the signatures, unverified."""

    signature: bytes
    chain: tuple[bytes, ...]


class InTotoExtractor:
    """Reads ``base64(DSSE envelope of a statement)``, signed by someone who is trusted."""

    type = "in-toto"

    def extract(self, payload: str, signers: TrustedSigners) -> Extracted:
        """See ``Extractor.extract``."""
        envelope = _parse(_decode(payload, "payload"), "payload")
        unverified = _decode(envelope.get("payload"), "payload of the envelope")
        if envelope.get("payloadType") != PAYLOAD_TYPE:
            raise MalformedReferenceValueError(f"the payload type is not {PAYLOAD_TYPE}")
        signed = pre_authentication_encoding(PAYLOAD_TYPE, unverified)
        signer = _find_signer(_signatures(envelope), signed, signers)
        return Extracted(_values(_parse(unverified, "statement")), signer)


def pre_authentication_encoding(payload_type: str, payload: bytes) -> bytes:
    """What is signed: type and payload, each behind its length in bytes (DSSE, PAE)."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def _find_signer(
    signatures: Sequence[_Signature], signed: bytes, signers: TrustedSigners
) -> Signer:
    """Who made the first signature that counts; what is wrong with the first when none does."""
    refusals: list[DomainError] = []
    for each in signatures:
        try:
            return signers.find(each.chain, partial(_verify, each.signature, signed))
        except (MalformedReferenceValueError, SignatureError) as error:
            refusals.append(error)
        except DomainError as error:
            # Says more than that nothing verified.
            refusals.insert(0, error)
    raise refusals[0]


def _verify(signature: bytes, signed: bytes, key: SigningKey) -> None:
    verify_signature(key, signature, signed)


def _signatures(envelope: dict[str, JSONValue]) -> list[_Signature]:
    listed = envelope.get("signatures")
    if not isinstance(listed, list) or len(listed) > MAX_SIGNATURES:
        raise MalformedReferenceValueError(f"an envelope lists at most {MAX_SIGNATURES} signatures")
    if not listed:
        raise UntrustedSignerError("the envelope is signed by nobody")
    return [_signature(each) for each in listed]


def _signature(value: JSONValue) -> _Signature:
    if not isinstance(value, dict):
        raise MalformedReferenceValueError("a signature is no object")
    return _Signature(_decode(value.get("sig"), "signature"), _chain(value.get("cert")))


def _chain(pem: JSONValue) -> tuple[bytes, ...]:
    """The certificates beside a signature, DER."""
    if pem is None or pem == "":
        return ()
    if not isinstance(pem, str) or len(pem) > _MAX_CERTIFICATE_CHARACTERS:
        raise MalformedReferenceValueError("the certificates of a signature are no short text")
    try:
        found = x509.load_pem_x509_certificates(pem.encode())
        return tuple(each.public_bytes(Encoding.DER) for each in found)
    except ValueError as error:
        raise MalformedReferenceValueError("the certificates of a signature are no PEM") from error


def _values(statement: dict[str, JSONValue]) -> dict[str, JSONValue]:
    kind, subjects = statement.get("predicateType"), statement.get("subject")
    if statement.get("_type") not in _STATEMENTS:
        raise MalformedReferenceValueError("the statement is of no known version")
    if not isinstance(kind, str) or kind not in _BUILDERS:
        known = ", ".join(_BUILDERS)
        raise MalformedReferenceValueError(f"the type of the predicate is not among: {known}")
    _check_builder(statement.get("predicate"), _BUILDERS[kind])
    if not isinstance(subjects, list):
        raise MalformedReferenceValueError("the subjects are no list")
    found: dict[str, set[str]] = {}
    for subject in subjects:
        name, digests = _subject(subject)
        found.setdefault(name, set()).update(digests)
    return {name: list[JSONValue](sorted(digests)) for name, digests in found.items()}


def _check_builder(predicate: JSONValue, path: Sequence[str]) -> None:
    for member in path:
        predicate = predicate.get(member) if isinstance(predicate, dict) else None
    if not isinstance(predicate, str) or not predicate:
        raise MalformedReferenceValueError("the predicate does not name its builder")


def _subject(value: JSONValue) -> tuple[str, set[str]]:
    name, digests = (
        (value.get("name"), value.get("digest")) if isinstance(value, dict) else (None, None)
    )
    if not isinstance(name, str) or not isinstance(digests, dict):
        raise MalformedReferenceValueError("a subject has a name and digests")
    known = {algorithm: digest for algorithm, digest in digests.items() if algorithm in _DIGITS}
    if not known:
        raise MalformedReferenceValueError("a subject has no digest by SHA-256, SHA-384 or SHA-512")
    return name, {_digest(algorithm, digest) for algorithm, digest in known.items()}


def _digest(algorithm: str, digest: JSONValue) -> str:
    if (
        not isinstance(digest, str)
        or len(digest) != _DIGITS[algorithm]
        or not _HEX.fullmatch(digest)
    ):
        raise MalformedReferenceValueError(f"a digest is no lower-case hex of {algorithm}")
    return digest


def _decode(text: JSONValue, name: str) -> bytes:
    try:
        # Anything but a text is refused there, too.
        return b64_decode(text)
    except WireError as error:
        raise MalformedReferenceValueError(f"the {name} is not base64") from error


def _parse(data: bytes, name: str) -> dict[str, JSONValue]:
    try:
        return parse_json_object(data)
    except WireError as error:
        raise MalformedReferenceValueError(f"the {name} is not base64 of a JSON object") from error


EXTRACTOR: Extractor = InTotoExtractor()
