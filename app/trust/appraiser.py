"""The Appraiser port: how a Key Broker Service asks an Attestation Service, near or far.

The broker depends on this port alone. The built-in Attestation Service implements it, and so does
the client of a remote one (RFC 9334, section 5.2, the background-check model).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from app.trust.decisions import DecisionRecord
from app.trust.json_types import JSONObject, JSONValue


@dataclass(frozen=True, slots=True)
class EvidenceItem:
    """One piece of evidence as it came over the wire; nothing in it is verified.

    Attributes:
        tee: wire name of the TEE, such as ``snp``.
        unverified_evidence: the evidence, JSON of a shape that only its verifier knows.
        runtime_data: JSON whose canonical hash the evidence must be bound to; ``None`` when the
            caller gave none, or gave it as ``raw_runtime_data``.
        raw_runtime_data: bytes that the evidence must be bound to as they are, not hashed.
        init_data_toml: the exact text of the init-data document.
        init_data_digest: the digest of init data, when only that is known.
        hash_algorithm: of the runtime data: ``sha256``, ``sha384`` or ``sha512``; ``None`` is the
            TEE's own (SHA-512 for ``se``, SHA-384 for every other).
    """

    tee: str
    unverified_evidence: JSONValue
    runtime_data: JSONObject | None = None
    raw_runtime_data: bytes | None = None
    init_data_toml: str | None = None
    init_data_digest: bytes | None = None
    hash_algorithm: str | None = None


@dataclass(frozen=True, slots=True)
class AppraisalRequest:
    """What is to be appraised: the primary evidence first, then its devices.

    Attributes:
        items: at least one.
        policy_id: the policy set; the class of each item is appended to it, so that ``default``
            means ``default_cpu`` for a processor.
        nonce: the freshness nonce that a caller has checked and that goes into the token as
            ``eat_nonce``; ``None`` makes a token that says it has none.
    """

    items: tuple[EvidenceItem, ...]
    policy_id: str
    nonce: str | None


@dataclass(frozen=True, slots=True)
class Appraised:
    """A signed appraisal that is not written down yet.

    Attributes:
        token: the EAR as a compact JWS.
        token_id: its ``jti``.
        tee: wire name of the primary TEE.
        status: the worst AR4SI tier over all submodules.
        record: the decision record, to be stored in the caller's transaction.
    """

    token: str
    token_id: str
    tee: str
    status: str
    record: DecisionRecord


class Appraiser(Protocol):
    """Turns evidence into a token."""

    def appraise(self, request: AppraisalRequest) -> Appraised:
        """Verify the evidence, appraise its claims and sign the result; store nothing on success.

        A refusal is recorded before it is raised, and the error carries the decision's id.

        Raises:
            MalformedError: the request or its evidence does not parse.
            UnknownTEEError: no verifier for the TEE is enabled.
            UnverifiedError: a check failed.
            PolicyNotFoundError: a class of evidence has no policy.
            PolicyFailedError: a policy failed while it was evaluated.
            UnavailableError: collateral, the store or a remote service did not answer.
        """
        ...

    def challenge(self, tee: str, parameters: JSONValue) -> tuple[str | None, JSONValue]:
        """What a TEE with a challenge of its own wants instead of a plain nonce.

        Returns:
            The TEE's nonce document, or ``None`` for a TEE that takes a plain nonce, and the
            ``extra-params`` of the challenge (``""`` when there are none).
        """
        ...
