"""The hash algorithms of the protocol, by their wire names (kbs-types: ``HashAlgorithm``)."""

from __future__ import annotations

import hashlib

from guest.wire.errors import WireError

# In the order in which upstream guests offer them.
HASH_ALGORITHMS = ("sha256", "sha384", "sha512", "sm3")
DEFAULT_HASH_ALGORITHM = "sha384"


def digest(data: bytes, algorithm: str) -> bytes:
    """The digest of some bytes.

    Args:
        data: what to hash.
        algorithm: one of ``HASH_ALGORITHMS``, in lower case.

    Raises:
        WireError: another algorithm; IANA spellings such as ``sha-384`` are others.
    """
    if algorithm not in HASH_ALGORITHMS:
        raise WireError(f"the hash algorithm is none of {', '.join(HASH_ALGORITHMS)}")
    if algorithm == "sm3":
        return _sm3(data)
    return hashlib.new(algorithm, data).digest()


def _sm3(data: bytes) -> bytes:
    # hashlib has SM3 only where OpenSSL was built with it; cryptography always brings its own.
    from cryptography.hazmat.primitives import hashes

    context = hashes.Hash(hashes.SM3())
    context.update(data)
    return context.finalize()
