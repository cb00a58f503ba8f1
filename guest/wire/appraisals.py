"""Messages of the Attestation Service's REST interface (wire.md 8.1)."""

from __future__ import annotations

import json
from dataclasses import dataclass

from guest.wire.digests import HASH_ALGORITHMS
from guest.wire.encoding import b64url_decode, b64url_encode
from guest.wire.errors import WireError
from guest.wire.json_types import JSONObject, JSONValue
from guest.wire.members import object_value, optional_text_member, text_member
from guest.wire.strict_json import parse_json
from guest.wire.strict_toml import MAX_BYTES as INIT_DATA_LIMIT
from guest.wire.tees import MAX_DEVICES, parse_tee

EVIDENCE_LIMIT = 16 * 1024 * 1024
MAX_REQUESTS = MAX_DEVICES + 1
MAX_POLICY_IDS = 16

_RAW_LIMIT = 1024
_POLICY_ID_LIMIT = 128


@dataclass(frozen=True, slots=True)
class VerificationRequest:
    """One piece of evidence and what it is bound to; nothing in it is verified.

    Attributes:
        tee: wire name of the TEE.
        evidence: JSON; on the wire base64url of its text.
        runtime_data: structured runtime data, to be hashed in its canonical form.
        raw_runtime_data: bytes that are the expected report data as they are; never together with
            ``runtime_data``.
        hash_algorithm: of ``runtime_data``; ``None`` leaves it to the server.
        init_data_toml: the exact text of the init-data document.
        init_data_digest: the digest of init data; never together with ``init_data_toml``.
    """

    tee: str
    evidence: JSONValue
    runtime_data: JSONObject | None = None
    raw_runtime_data: bytes | None = None
    hash_algorithm: str | None = None
    init_data_toml: str | None = None
    init_data_digest: bytes | None = None

    def as_json(self) -> JSONObject:
        """One entry of ``verification_requests``."""
        evidence = json.dumps(self.evidence, separators=(",", ":")).encode("utf-8")
        members: JSONObject = {"tee": self.tee, "evidence": b64url_encode(evidence)}
        if self.runtime_data is not None:
            members["runtime_data"] = {"structured": self.runtime_data}
        elif self.raw_runtime_data is not None:
            members["runtime_data"] = {"raw": b64url_encode(self.raw_runtime_data)}
        if self.hash_algorithm is not None:
            members["runtime_data_hash_algorithm"] = self.hash_algorithm
        if self.init_data_toml is not None:
            members["init_data"] = {"init_data_toml": self.init_data_toml}
        elif self.init_data_digest is not None:
            members["init_data"] = {"init_data_digest": b64url_encode(self.init_data_digest)}
        return members


@dataclass(frozen=True, slots=True)
class AttestationEvaluation:
    """The body of ``POST /attestation``.

    Attributes:
        verification_requests: at least one; the first is the primary TEE's.
        policy_ids: only the first is used; empty means ``default``.
    """

    verification_requests: tuple[VerificationRequest, ...]
    policy_ids: tuple[str, ...] = ()

    def as_json(self) -> JSONObject:
        """The body itself."""
        return {
            "verification_requests": [request.as_json() for request in self.verification_requests],
            "policy_ids": list(self.policy_ids),
        }


def parse_attestation_evaluation(value: JSONValue) -> AttestationEvaluation:
    """The body of ``POST /attestation``; ``policy_ids`` may be missing.

    Raises:
        WireError: wrong shape, no request or more than ``MAX_REQUESTS``, or a malformed one.
    """
    members = object_value(value, "the attestation")
    requests = members.get("verification_requests")
    if not isinstance(requests, list) or not 1 <= len(requests) <= MAX_REQUESTS:
        raise WireError(f"verification_requests is not a list of 1 to {MAX_REQUESTS}")
    return AttestationEvaluation(
        verification_requests=tuple(parse_verification_request(item) for item in requests),
        policy_ids=_policy_ids(members.get("policy_ids")),
    )


def parse_verification_request(value: JSONValue) -> VerificationRequest:
    """One entry of ``verification_requests``.

    Raises:
        WireError: wrong shape, evidence that is not base64url of JSON, an unknown hash algorithm.
    """
    members = object_value(value, "a verification request")
    structured, raw = _runtime_data(members.get("runtime_data"))
    toml, init_data_digest = _init_data(members.get("init_data"))
    return VerificationRequest(
        tee=parse_tee(members.get("tee")),
        evidence=parse_json(b64url_decode(text_member(members, "evidence", limit=EVIDENCE_LIMIT))),
        runtime_data=structured,
        raw_runtime_data=raw,
        hash_algorithm=_hash_algorithm(members),
        init_data_toml=toml,
        init_data_digest=init_data_digest,
    )


def _runtime_data(value: JSONValue) -> tuple[JSONObject | None, bytes | None]:
    if value is None:
        return None, None
    members = object_value(value, "runtime_data")
    if members.keys() == {"structured"}:
        return object_value(members["structured"], "structured runtime data"), None
    if members.keys() == {"raw"}:
        return None, b64url_decode(text_member(members, "raw", limit=_RAW_LIMIT))
    raise WireError("runtime_data has either the member structured or the member raw")


def _init_data(value: JSONValue) -> tuple[str | None, bytes | None]:
    if value is None:
        return None, None
    members = object_value(value, "init_data")
    if members.keys() == {"init_data_toml"}:
        return text_member(members, "init_data_toml", limit=INIT_DATA_LIMIT), None
    if members.keys() == {"init_data_digest"}:
        text = text_member(members, "init_data_digest", limit=_RAW_LIMIT)
        return None, b64url_decode(text)
    raise WireError("init_data has either the member init_data_toml or init_data_digest")


def _hash_algorithm(members: JSONObject) -> str | None:
    name = optional_text_member(members, "runtime_data_hash_algorithm", limit=16)
    if not name:
        return None
    if name.lower() not in HASH_ALGORITHMS:
        raise WireError(f"the hash algorithm is none of {', '.join(HASH_ALGORITHMS)}")
    return name.lower()


def _policy_ids(value: JSONValue) -> tuple[str, ...]:
    ids = [] if value is None else value
    if not isinstance(ids, list) or len(ids) > MAX_POLICY_IDS:
        raise WireError(f"policy_ids is not a list of at most {MAX_POLICY_IDS}")
    if not all(isinstance(item, str) and 0 < len(item) <= _POLICY_ID_LIMIT for item in ids):
        raise WireError("an entry of policy_ids is not the id of a policy")
    return tuple(ids)
