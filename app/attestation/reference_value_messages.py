"""Messages with reference values: read by their type, and where each of their values comes from.

A message is ``{"version": "0.1.0", "type": …, "payload": …}``; the version may be missing
(wire.md, section 11.1).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from app.attestation.extractors import Extracted, Extractor
from app.attestation.message_signers import Signer, TrustedSigners
from app.attestation.reference_value_form import check_form
from app.trust.clock import Clock
from app.trust.errors import (
    MalformedReferenceValueError,
    SignerOutOfScopeError,
    UntrustedSignerError,
)
from app.trust.json_types import JSONObject, JSONValue
from guest.wire.canonical import canonical_json
from guest.wire.errors import WireError

MESSAGE_VERSION = "0.1.0"


@dataclass(frozen=True, slots=True)
class Provenance:
    """The message that a value came in.

    Attributes:
        extractor: the type of the message.
        signer: who signed it, by the name in the settings; ``None`` where the type is not signed.
        message_digest: SHA-256, hex, of the message as canonical JSON (RFC 8785).
    """

    extractor: str
    signer: str | None
    message_digest: str

    def __str__(self) -> str:
        """For people: ``in-toto, signed by ci``."""
        return (
            self.extractor if self.signer is None else f"{self.extractor}, signed by {self.signer}"
        )


@dataclass(frozen=True, slots=True)
class ReadMessage:
    """A message that was read, and whose signature holds where its type has one.

    Attributes:
        values: by name; each is its signer's to give.
    """

    provenance: Provenance
    values: Mapping[str, JSONValue]


@dataclass(frozen=True, slots=True)
class MessageReader:
    """Reads messages of the enabled types.

    Attributes:
        extractors: by type.
        signers: whose signed messages are accepted.
        clock: judges the dates of certificates.
    """

    extractors: Mapping[str, Extractor]
    signers: Sequence[Signer]
    clock: Clock

    def read(self, message: JSONObject) -> ReadMessage:
        """The values in a message, and where they come from.

        Raises:
            MalformedReferenceValueError: another version, an unknown type, a payload that the type
                does not read, a name or value of the wrong form, no value at all.
            UntrustedSignerError: it is signed by nobody who is trusted.
            SignerOutOfScopeError: a name is not its signer's to give.
            UnverifiedError: a signature or a certificate does not hold.
        """
        kind, payload = _parse(message)
        extractor = self.extractors.get(kind)
        if extractor is None:
            enabled = ", ".join(sorted(self.extractors)) or "none"
            raise MalformedReferenceValueError(f"this type of message is not among: {enabled}")
        extracted = extractor.extract(
            payload, TrustedSigners(tuple(self.signers), self.clock.now())
        )
        check_form(extracted.values)
        signer = _signer(extracted)
        return ReadMessage(Provenance(kind, signer, _digest(message)), extracted.values)

    def require_signer(self, name: str, provenance: Provenance | None) -> None:
        """Whoever signed for a value may still do so.

        Raises:
            UntrustedSignerError: the settings name this signer no more.
            SignerOutOfScopeError: the name of the value is not its to give.
        """
        if provenance is None or provenance.signer is None:
            return
        signer = next((each for each in self.signers if each.name == provenance.signer), None)
        if signer is None:
            raise UntrustedSignerError("whoever signed the message is not trusted any more")
        _require_scope(signer, (name,))


def _parse(message: JSONObject) -> tuple[str, str]:
    """Type and payload of a message."""
    if message.get("version", MESSAGE_VERSION) != MESSAGE_VERSION:
        raise MalformedReferenceValueError(f"the version of a message is {MESSAGE_VERSION}")
    kind, payload = message.get("type"), message.get("payload")
    if not isinstance(kind, str) or not isinstance(payload, str):
        raise MalformedReferenceValueError("a message has the texts 'type' and 'payload'")
    return kind, payload


def _signer(extracted: Extracted) -> str | None:
    """Who vouches for the values, once it is known that they are its to give."""
    if extracted.signer is None:
        return None
    _require_scope(extracted.signer, extracted.values)
    return extracted.signer.name


def _require_scope(signer: Signer, names: Sequence[str] | Mapping[str, JSONValue]) -> None:
    if not all(signer.may_name(name) for name in names):
        raise SignerOutOfScopeError("a value has a name that is not its signer's to give")


def _digest(message: JSONObject) -> str:
    try:
        return hashlib.sha256(canonical_json(message)).hexdigest()
    except WireError as error:
        raise MalformedReferenceValueError("the message has no canonical JSON form") from error
