"""Runtime data: what evidence is bound to (wire.md 2.5 and 2.6)."""

from __future__ import annotations

from guest.wire.canonical import canonical_json
from guest.wire.digests import DEFAULT_HASH_ALGORITHM, digest
from guest.wire.json_types import JSONObject, JSONValue


def runtime_data(
    nonce: str, tee_pubkey_json: dict[str, str], additional_evidence: str | None
) -> JSONObject:
    """The object whose digest goes into the evidence.

    Args:
        nonce: the challenge's nonce, as it was received.
        tee_pubkey_json: ``TEEPublicKey.as_json()``, so without members unknown to the protocol.
        additional_evidence: for the primary evidence, the text as it is sent (``""`` when there are
            no devices); ``None`` for the evidence of a device, which binds no other.
    """
    bound: JSONObject = {"tee-pubkey": tee_pubkey_json, "nonce": nonce}
    if additional_evidence is not None:
        bound["additional-evidence"] = additional_evidence
    return bound


def runtime_data_digest(value: JSONValue, algorithm: str = DEFAULT_HASH_ALGORITHM) -> bytes:
    """The digest of the canonical form (RFC 8785).

    Raises:
        WireError: the value has no canonical form, or the algorithm is unknown.
    """
    return digest(canonical_json(value), algorithm)


def hash_algorithm_of(tee: str) -> str:
    """What a server hashes runtime data with: SHA-512 for ``se``, SHA-384 for every other TEE."""
    return "sha512" if tee == "se" else DEFAULT_HASH_ALGORITHM
