"""Public keys that verify tokens, each bound to the algorithms that are its own (RFC 7517, 7518).

A key never verifies under an algorithm that a token chooses: the key's type and curve say which
algorithms fit it, and its ``alg``, when it has one, leaves a single one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

import structlog
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

from app.broker.compact_tokens import UnverifiedToken
from app.trust.errors import TokenAlgorithmError, TokenSignatureError
from app.trust.json_types import JSONObject, JSONValue
from guest.wire.encoding import b64url_decode
from guest.wire.errors import WireError

PublicKey: TypeAlias = ECKey | RSAKey | OKPKey

_log = structlog.get_logger(__name__)

# RFC 7518, section 3.3: at least 2048 bits. More than 4096 would be a way to burn our processor.
MIN_RSA_BITS = 2048
MAX_RSA_BITS = 4096
# An issuer has a handful of keys; a set that is longer is a mistake or an attack.
MAX_KEYS = 64

# What a public key consists of (RFC 7518, sections 6.2 and 6.3; RFC 8037, section 2). Everything
# else in a JWK, private members above all, is left behind.
_MEMBERS = {"EC": ("x", "y"), "RSA": ("n", "e"), "OKP": ("x",)}
_KINDS: dict[str, type[PublicKey]] = {"EC": ECKey, "RSA": RSAKey, "OKP": OKPKey}
_ALGORITHMS = {
    "P-256": frozenset({"ES256"}),
    "P-384": frozenset({"ES384"}),
    "P-521": frozenset({"ES512"}),
    "Ed25519": frozenset({"EdDSA", "Ed25519"}),
    "RSA": frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}),
}
SIGNATURE_ALGORITHMS = frozenset().union(*_ALGORITHMS.values())

# RFC 9864, section 2.2: with an Ed25519 key, EdDSA and Ed25519 are the same thing.
_MODELS = {"EdDSA": "Ed25519"}


class UnusableKeyError(Exception):
    """A JWK that cannot verify tokens; its message says why."""


@dataclass(frozen=True, slots=True)
class VerificationKey:
    """A public key, parsed once.

    Attributes:
        key_id: its ``kid``; ``None`` when the set gives none.
        thumbprint: RFC 7638 SHA-256, base64url.
        algorithms: what it may verify.
    """

    key_id: str | None
    thumbprint: str
    algorithms: frozenset[str]
    key: PublicKey = field(repr=False)

    @property
    def der(self) -> bytes:
        """SubjectPublicKeyInfo (RFC 5280, section 4.1)."""
        return self.key.as_bytes("DER", private=False)

    def verify(self, token: UnverifiedToken) -> None:
        """Check the signature of a token.

        Raises:
            TokenAlgorithmError: the token's algorithm is not one of the key's.
            TokenSignatureError: the signature does not verify.
        """
        algorithm = token.algorithm
        if algorithm not in self.algorithms:
            raise TokenAlgorithmError("the token's algorithm is not the one of its key")
        model = JWSRegistry.algorithms[_MODELS.get(algorithm, algorithm)]
        try:
            verified = model.verify(token.signing_input, token.signature, self.key)
        except (JoseError, ValueError) as error:
            raise TokenSignatureError("the token's signature does not verify") from error
        if not verified:
            raise TokenSignatureError("the token's signature does not verify")


def parse_verification_key(value: JSONValue) -> VerificationKey:
    """The key of a public JWK.

    Raises:
        UnusableKeyError: it is malformed, weak, not for signatures, or of a kind that cannot verify
            tokens.
    """
    if not isinstance(value, dict):
        raise UnusableKeyError("a key is a JSON object")
    _check_purpose(value)
    public = _public_members(value)
    try:
        key = _KINDS[str(public["kty"])].import_key(public)
        thumbprint = key.thumbprint()
    except (JoseError, ValueError, KeyError, TypeError) as error:
        raise UnusableKeyError("a key's numbers make no key") from error
    algorithms = _algorithms_of(value, public)
    key_id = value.get("kid")
    return VerificationKey(key_id if isinstance(key_id, str) else None, thumbprint, algorithms, key)


def parse_key_set(value: JSONValue) -> list[VerificationKey]:
    """The usable keys of a JWK set (RFC 7517, section 5).

    Keys that are not usable are left out, as the specification has it: an issuer may publish keys
    for other purposes in the same set.

    Raises:
        UnusableKeyError: it is not a set, has too many members, or none is usable.
    """
    members = value.get("keys") if isinstance(value, dict) else None
    if not isinstance(members, list) or len(members) > MAX_KEYS:
        raise UnusableKeyError(f"a key set is an object with at most {MAX_KEYS} keys")
    keys = []
    for member in members:
        try:
            keys.append(parse_verification_key(member))
        except UnusableKeyError as error:
            _log.info("a key of a set is not usable", reason=str(error))
    if not keys:
        raise UnusableKeyError("a key set without a usable key verifies nothing")
    return keys


def _check_purpose(value: JSONObject) -> None:
    operations = value.get("key_ops", ["verify"])
    if value.get("use", "sig") != "sig":
        raise UnusableKeyError("the key is not for signatures")
    if not isinstance(operations, list) or "verify" not in operations:
        raise UnusableKeyError("the key is not for verifying")


def _public_members(value: JSONObject) -> dict[str, str | list[str]]:
    kind = value.get("kty")
    if not isinstance(kind, str) or kind not in _MEMBERS:
        raise UnusableKeyError("a key that verifies tokens is an EC, RSA or OKP key")
    public: dict[str, str | list[str]] = {"kty": kind}
    if kind != "RSA":
        curve = value.get("crv")
        if not isinstance(curve, str) or curve not in _ALGORITHMS:
            raise UnusableKeyError("the key's curve verifies no tokens")
        public["crv"] = curve
    for name in _MEMBERS[kind]:
        public[name] = _number(value.get(name), name)
    return public


def _number(value: JSONValue, name: str) -> str:
    try:
        number = b64url_decode(value)
    except WireError as error:
        raise UnusableKeyError("a key's numbers are base64url") from error
    if (
        name == "n"
        and not MIN_RSA_BITS <= int.from_bytes(number, "big").bit_length() <= MAX_RSA_BITS
    ):
        raise UnusableKeyError(f"an RSA key has {MIN_RSA_BITS} to {MAX_RSA_BITS} bits")
    return str(value)


def _algorithms_of(value: JSONObject, public: dict[str, str | list[str]]) -> frozenset[str]:
    fitting = _ALGORITHMS[str(public.get("crv", "RSA"))]
    named = value.get("alg")
    if named is None:
        return fitting
    if not isinstance(named, str) or named not in fitting:
        raise UnusableKeyError("the key's algorithm does not fit its kind")
    return frozenset({named})
