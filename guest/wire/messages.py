"""Messages of the RCAR handshake (wire.md 2.2 to 2.5, ``kbs-types``).

Members unknown to the protocol are ignored. Casing is mixed on the wire: outer members are written
with hyphens, those inside ``tee-evidence`` with underscores.
"""

from __future__ import annotations

from dataclasses import dataclass

from guest.wire.appraisals import (
    AttestationEvaluation,
    VerificationRequest,
    parse_attestation_evaluation,
    parse_verification_request,
)
from guest.wire.errors import WireError
from guest.wire.json_types import JSONObject, JSONValue
from guest.wire.jwk import TEEPublicKey, parse_tee_public_key
from guest.wire.members import object_value, text_member
from guest.wire.strict_json import parse_json_object
from guest.wire.strict_toml import MAX_BYTES as INIT_DATA_LIMIT
from guest.wire.tees import MAX_DEVICES, TEES, parse_tee
from guest.wire.versions import parse_version

__all__ = [
    "TEES",
    "Attestation",
    "AttestationEvaluation",
    "Challenge",
    "Request",
    "TEEEvidence",
    "VerificationRequest",
    "parse_attestation",
    "parse_attestation_evaluation",
    "parse_challenge",
    "parse_request",
    "parse_verification_request",
]

# The nonce of IBM Secure Execution is a JSON document of some kilobytes.
NONCE_LIMIT = 64 * 1024
EVIDENCE_LIMIT = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Request:
    """What a guest opens the handshake with.

    Attributes:
        version: of the protocol, semantic version as text.
        tee: wire name of the primary TEE.
        extra_params: any JSON; guests offer ``{"supported-hash-algorithms": [...]}``.
    """

    version: str
    tee: str
    extra_params: JSONValue = ""

    def as_json(self) -> JSONObject:
        """The body of ``POST /kbs/v0/auth``."""
        return {"version": self.version, "tee": self.tee, "extra-params": self.extra_params}


@dataclass(frozen=True, slots=True)
class Challenge:
    """What the server answers.

    Attributes:
        nonce: to be bound into the evidence, as text and as it is.
        extra_params: ``""``, or an object that may select a hash algorithm.
    """

    nonce: str
    extra_params: JSONValue = ""

    def as_json(self) -> JSONObject:
        """The response of ``POST /kbs/v0/auth``."""
        return {"nonce": self.nonce, "extra-params": self.extra_params}


@dataclass(frozen=True, slots=True)
class TEEEvidence:
    """Composite evidence, unverified.

    Attributes:
        primary_evidence: any JSON; its shape is the TEE's.
        additional_evidence: JSON text of an object, TEE name to evidence; ``""`` without devices.
    """

    primary_evidence: JSONValue
    additional_evidence: str = ""

    def devices(self) -> dict[str, JSONValue]:
        """The evidence of each device, by the wire name of its TEE, in the order of the text.

        Raises:
            WireError: the text is not a JSON object of at most ``MAX_DEVICES`` TEE names.
        """
        if not self.additional_evidence:
            return {}
        devices = parse_json_object(self.additional_evidence)
        if len(devices) > MAX_DEVICES:
            raise WireError(f"there are more than {MAX_DEVICES} kinds of devices")
        return {parse_tee(tee): evidence for tee, evidence in devices.items()}

    def as_json(self) -> JSONObject:
        """The member ``tee-evidence``."""
        return {
            "primary_evidence": self.primary_evidence,
            "additional_evidence": self.additional_evidence,
        }


@dataclass(frozen=True, slots=True)
class Attestation:
    """What a guest answers the challenge with; nothing in it is verified.

    Attributes:
        init_data_toml: the exact text of the init-data document, if it was sent.
        nonce: as the guest repeats it.
        tee_pubkey: the key that responses are to be sealed to.
        evidence: bound to nonce and key.
    """

    init_data_toml: str | None
    nonce: str
    tee_pubkey: TEEPublicKey
    evidence: TEEEvidence

    def as_json(self) -> JSONObject:
        """The body of ``POST /kbs/v0/attest``."""
        init_data = None
        if self.init_data_toml is not None:
            init_data = {"format": "toml", "body": self.init_data_toml}
        return {
            "init-data": init_data,
            "runtime-data": {"nonce": self.nonce, "tee-pubkey": self.tee_pubkey.as_json()},
            "tee-evidence": self.evidence.as_json(),
        }


def parse_request(value: JSONValue) -> Request:
    """The body of ``POST /kbs/v0/auth``.

    ``extra-params`` may be missing, as the published OpenAPI says; that is the same as null.

    Raises:
        WireError: wrong shape, a version that is no semantic version, a name that is no TEE's.
    """
    members = object_value(value, "the request")
    version = text_member(members, "version", limit=64)
    parse_version(version)
    tee = parse_tee(members.get("tee"))
    return Request(version=version, tee=tee, extra_params=members.get("extra-params"))


def parse_challenge(value: JSONValue) -> Challenge:
    """The response of ``POST /kbs/v0/auth``, and of an AS that issues nonces.

    Raises:
        WireError: wrong shape.
    """
    members = object_value(value, "the challenge")
    nonce = text_member(members, "nonce", limit=NONCE_LIMIT)
    return Challenge(nonce=nonce, extra_params=members.get("extra-params", ""))


def parse_attestation(value: JSONValue) -> Attestation:
    """The body of ``POST /kbs/v0/attest``.

    Raises:
        WireError: wrong shape, init data in another format than TOML, a malformed TEE key.
    """
    members = object_value(value, "the attestation")
    runtime = object_value(members.get("runtime-data"), "runtime-data")
    nonce = text_member(runtime, "nonce", limit=NONCE_LIMIT)
    return Attestation(
        init_data_toml=_init_data(members.get("init-data")),
        nonce=nonce,
        tee_pubkey=parse_tee_public_key(runtime.get("tee-pubkey")),
        evidence=_tee_evidence(members.get("tee-evidence")),
    )


def _init_data(value: JSONValue) -> str | None:
    if value is None:
        return None
    members = object_value(value, "init-data")
    if text_member(members, "format", limit=16) != "toml":
        raise WireError("the format of init data must be toml")
    return text_member(members, "body", limit=INIT_DATA_LIMIT)


def _tee_evidence(value: JSONValue) -> TEEEvidence:
    members = object_value(value, "tee-evidence")
    if "primary_evidence" not in members:
        raise WireError("tee-evidence has no primary_evidence")
    additional = text_member(members, "additional_evidence", limit=EVIDENCE_LIMIT)
    return TEEEvidence(members["primary_evidence"], additional)
