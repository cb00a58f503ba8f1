"""TEE key pairs: made in the guest, bound into evidence, what responses are sealed to."""

from __future__ import annotations

from dataclasses import dataclass, field

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from guest.errors import SealedResponseError
from guest.kbs.algorithms import DEFAULT_TEE_KEY_ALGORITHM, EC_P256, EC_P521
from guest.wire.encoding import b64url_encode
from guest.wire.errors import WireError
from guest.wire.json_types import JSONValue
from guest.wire.jwe import open_sealed
from guest.wire.jwe_algorithms import ECDH_ES, RSA_OAEP
from guest.wire.jwk import ECPublicJWK, RSAPublicJWK, TEEPublicKey, point_members

RSA_BITS = 2048
_RSA_EXPONENT = 65537
_CURVES: dict[str, ec.EllipticCurve] = {EC_P256: ec.SECP256R1(), EC_P521: ec.SECP521R1()}


@dataclass(frozen=True, slots=True)
class TEEKeyPair:
    """A private key that never leaves the guest, and its public JWK."""

    private_key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey = field(repr=False)
    public: TEEPublicKey

    @classmethod
    def generate(cls, algorithm: str = DEFAULT_TEE_KEY_ALGORITHM) -> TEEKeyPair:
        """A fresh pair.

        Args:
            algorithm: one of ``guest.kbs.algorithms.TEE_KEY_ALGORITHMS``.
        """
        if algorithm in _CURVES:
            return _pair(ec.generate_private_key(_CURVES[algorithm]))
        return _pair(rsa.generate_private_key(_RSA_EXPONENT, RSA_BITS))

    @classmethod
    def from_pem(cls, pem: str) -> TEEKeyPair:
        """A pair from the PEM of its private key, in PKCS#8 or PKCS#1.

        Raises:
            WireError: it is no unencrypted private key on P-256 or P-521 or of RSA.
        """
        try:
            key = serialization.load_pem_private_key(pem.encode("utf-8"), password=None)
        except (ValueError, TypeError) as error:
            raise WireError("the PEM holds no private key that can be read") from error
        if not isinstance(key, (ec.EllipticCurvePrivateKey, rsa.RSAPrivateKey)):
            raise WireError("a TEE key is an EC key or an RSA key")
        return _pair(key)

    def to_pem(self) -> str:
        """The private key: PKCS#8 for EC, PKCS#1 for RSA, as upstream's clients read them."""
        is_ec = isinstance(self.private_key, ec.EllipticCurvePrivateKey)
        private_format = serialization.PrivateFormat
        return self.private_key.private_bytes(
            serialization.Encoding.PEM,
            private_format.PKCS8 if is_ec else private_format.TraditionalOpenSSL,
            serialization.NoEncryption(),
        ).decode("ascii")

    def open(self, response: JSONValue) -> bytes:
        """What was sealed to this key.

        Raises:
            SealedResponseError: it was not, or was changed since.
        """
        try:
            return open_sealed(response, self.private_key)
        except WireError as error:
            raise SealedResponseError(str(error)) from error


def _pair(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> TEEKeyPair:
    if isinstance(key, ec.EllipticCurvePrivateKey):
        crv, x, y = point_members(key.public_key())
        if crv not in {"P-256", "P-521"}:
            raise WireError("a TEE key on a curve is on P-256 or P-521")
        return TEEKeyPair(key, ECPublicJWK(crv=crv, alg=ECDH_ES, x=x, y=y))
    numbers = key.public_key().public_numbers()
    public = RSAPublicJWK(alg=RSA_OAEP, n=_number(numbers.n), e=_number(numbers.e))
    public.public_key()
    return TEEKeyPair(key, public)


def _number(value: int) -> str:
    return b64url_encode(value.to_bytes((value.bit_length() + 7) // 8, "big"))
