"""Sealing and opening responses."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, mlkem, padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc import jwe as jose_jwe
from joserfc.jwk import ECKey, RSAKey

from guest.wire.encoding import b64url_decode, b64url_encode
from guest.wire.errors import WireError
from guest.wire.jwe import DEFAULT_ALGORITHMS, UnsupportedKeyError, open_sealed, seal
from guest.wire.jwk import AKPPublicJWK, ECPublicJWK, RSAPublicJWK, point_members

SECRET = b"the secret"
P256 = ec.generate_private_key(ec.SECP256R1())
P521 = ec.generate_private_key(ec.SECP521R1())
RSA = rsa.generate_private_key(65537, 2048)
ML_KEM = mlkem.MLKEM768PrivateKey.generate()
ML_KEM_ONLY = frozenset({"ML-KEM-768+A192KW"})


def ec_jwk(key: ec.EllipticCurvePrivateKey, alg: str = "ECDH-ES+A256KW") -> ECPublicJWK:
    """The public half."""
    crv, x, y = point_members(key.public_key())
    return ECPublicJWK(crv=crv, alg=alg, x=x, y=y)


def rsa_jwk(alg: str = "RSA-OAEP-256") -> RSAPublicJWK:
    """The public half."""
    n = RSA.public_key().public_numbers().n
    return RSAPublicJWK(alg=alg, n=b64url_encode(n.to_bytes(256, "big")), e="AQAB")


def ml_kem_jwk() -> AKPPublicJWK:
    """The public half."""
    raw = ML_KEM.public_key().public_bytes_raw()
    return AKPPublicJWK(alg="ML-KEM-768+A192KW", pub=b64url_encode(raw))


SEALED = seal(SECRET, ec_jwk(P256))
SEALED_RSA = seal(SECRET, rsa_jwk())


def header(jwe: dict[str, str]) -> Any:
    """The protected header."""
    return json.loads(b64url_decode(jwe["protected"]))


def with_header(change: Callable[[dict[str, Any]], None]) -> dict[str, str]:
    """The sealed response with another protected header."""
    members = header(SEALED)
    change(members)
    return {**SEALED, "protected": b64url_encode(json.dumps(members).encode())}


def with_epk(**members: Any) -> dict[str, str]:
    """The sealed response with another ephemeral key."""
    return with_header(lambda protected: protected["epk"].update(members))


def flipped(text: str) -> str:
    """Base64url of the bytes with one bit turned."""
    raw = bytearray(b64url_decode(text))
    raw[-1] ^= 1
    return b64url_encode(bytes(raw))


@pytest.mark.parametrize(
    "jwe",
    [
        None,
        [],
        {},
        {name: value for name, value in SEALED.items() if name != "tag"},
        {**SEALED, "aad": "AA"},
        {**SEALED, "header": {"alg": "dir"}},
        {**SEALED, "iv": 7},
        {**SEALED, "iv": b64url_encode(bytes(16))},
        {**SEALED, "iv": SEALED["iv"] + "="},
        {**SEALED, "tag": b64url_encode(bytes(12))},
        {**SEALED, "tag": flipped(SEALED["tag"])},
        {**SEALED, "ciphertext": flipped(SEALED["ciphertext"])},
        {**SEALED, "ciphertext": ""},
        {**SEALED, "encrypted_key": flipped(SEALED["encrypted_key"])},
        {**SEALED, "encrypted_key": ""},
        {**SEALED, "encrypted_key": b64url_encode(bytes(7))},
        {**SEALED, "encrypted_key": b64url_encode(bytes(48))},
        {**SEALED, "protected": "AA"},
        {**SEALED, "protected": b64url_encode(b"[]")},
        {**SEALED, "protected": SEALED["protected"] + "A"},
        with_header(lambda protected: protected.update(enc="A128GCM")),
        with_header(lambda protected: protected.update(alg="dir")),
        with_header(lambda protected: protected.update(alg="ECDH-ES")),
        with_header(lambda protected: protected.update(apu="AA")),
        with_header(lambda protected: protected.update(crit=["exp"])),
        with_header(lambda protected: protected.update(zip="DEF")),
        with_header(lambda protected: protected.pop("epk")),
        with_header(lambda protected: protected.update(epk="AA")),
        with_epk(crv="P-521"),
        with_epk(crv="P-384"),
        with_epk(kty="OKP"),
        with_epk(d="AA"),
        with_epk(x=b64url_encode(bytes(32))),
        with_epk(x=b64url_encode(bytes(31))),
        with_epk(y=flipped(header(SEALED)["epk"]["y"])),
        # Genuine, with the same meaning, and with other bytes of the header.
        with_header(lambda _: None),
        SEALED_RSA,
        seal(SECRET, ec_jwk(P521)),
        seal(SECRET, ec_jwk(ec.generate_private_key(ec.SECP256R1()))),
    ],
)
def test_refuses_everything_odd(jwe: Any) -> None:
    """Another shape, length, algorithm, curve or key, or one bit turned, does not open."""
    with pytest.raises(WireError):
        open_sealed(jwe, P256)


@pytest.mark.parametrize("size", [0, 16, 24, 31, 33])
def test_refuses_a_content_key_of_another_length(size: int) -> None:
    """A content key that is right in itself must be an AES-256 key."""
    oaep = padding.OAEP(padding.MGF1(_sha256()), _sha256(), None)
    wrapped = RSA.public_key().encrypt(bytes(size), oaep)
    with pytest.raises(WireError):
        open_sealed({**SEALED_RSA, "encrypted_key": b64url_encode(wrapped)}, RSA)


def _sha256() -> Any:
    from cryptography.hazmat.primitives import hashes

    return hashes.SHA256()


def test_refuses_rsa_of_another_padding() -> None:
    """PKCS#1 v1.5 has no opener here, however its header names itself."""
    old = seal(SECRET, rsa_jwk("RSA1_5"), allowed=frozenset({"RSA1_5"}))
    renamed = {**old, "protected": SEALED_RSA["protected"]}
    for jwe in (old, renamed):
        with pytest.raises(WireError):
            open_sealed(jwe, RSA)


@pytest.mark.parametrize(
    ("key", "allowed"),
    [
        (ec_jwk(P256), frozenset({"RSA-OAEP-256"})),
        (ec_jwk(P256, "RSA-OAEP-256"), DEFAULT_ALGORITHMS),
        (ec_jwk(P256, "ECDH-ES"), frozenset({"ECDH-ES"})),
        (ec_jwk(ec.generate_private_key(ec.SECP384R1())), DEFAULT_ALGORITHMS),
        (rsa_jwk("RSA1_5"), DEFAULT_ALGORITHMS),
        (rsa_jwk("ECDH-ES+A256KW"), DEFAULT_ALGORITHMS),
        (ml_kem_jwk(), DEFAULT_ALGORITHMS),
        (AKPPublicJWK("RSA-OAEP-256", "AA"), DEFAULT_ALGORITHMS),
    ],
)
def test_refuses_to_seal_what_is_not_enabled(key: Any, allowed: frozenset[str]) -> None:
    """The weak and the experimental are opt-in, and an algorithm fits its key."""
    with pytest.raises(UnsupportedKeyError):
        seal(SECRET, key, allowed=allowed)


def test_refuses_bytes_that_are_no_ml_kem_key() -> None:
    """Coefficients beyond the modulus are no key (FIPS 203, 7.2)."""
    key = AKPPublicJWK("ML-KEM-768+A192KW", b64url_encode(b"\xff" * 1184))
    with pytest.raises(WireError):
        seal(SECRET, key, allowed=ML_KEM_ONLY)


@pytest.mark.parametrize("plaintext", [b"", SECRET, bytes(100_000)])
@pytest.mark.parametrize(
    ("public", "private"),
    [(ec_jwk(P256), P256), (ec_jwk(P521), P521), (rsa_jwk(), RSA)],
)
def test_what_is_sealed_opens(plaintext: bytes, public: Any, private: Any) -> None:
    """Every default algorithm, and every length."""
    assert open_sealed(seal(plaintext, public), private) == plaintext


def test_ml_kem_opens_when_it_is_allowed() -> None:
    """The header has ``ek`` after ``enc``, and is opened by the seed's holder alone."""
    sealed = seal(SECRET, ml_kem_jwk(), allowed=ML_KEM_ONLY)
    protected = b64url_decode(sealed["protected"])
    assert protected.startswith(b'{"alg":"ML-KEM-768+A192KW","enc":"A256GCM","ek":"')
    assert open_sealed(sealed, ML_KEM) == SECRET
    with pytest.raises(WireError):
        open_sealed(sealed, mlkem.MLKEM768PrivateKey.generate())
    with pytest.raises(WireError):
        open_sealed({**sealed, "protected": SEALED["protected"]}, ML_KEM)


def test_the_rsa_header_has_the_bytes_of_the_specification() -> None:
    """wire.md 3.2 prints it in base64url."""
    expected = "eyJhbGciOiJSU0EtT0FFUC0yNTYiLCJlbmMiOiJBMjU2R0NNIn0"
    assert SEALED_RSA["protected"] == expected
    old = seal(SECRET, rsa_jwk("RSA1_5"), allowed=frozenset({"RSA1_5"}))
    assert b64url_decode(old["protected"]) == b'{"alg":"RSA1_5","enc":"A256GCM"}'


@pytest.mark.parametrize(("private", "crv"), [(P256, "P-256"), (P521, "P-521")])
def test_the_ec_header_has_the_bytes_of_the_specification(private: Any, crv: str) -> None:
    """Guests serialise the header again, so order and spacing are fixed (wire.md 3.2)."""
    sealed = seal(SECRET, ec_jwk(private))
    epk = header(sealed)["epk"]
    expected = (
        f'{{"alg":"ECDH-ES+A256KW","enc":"A256GCM","epk":{{"crv":"{crv}","kty":"EC",'
        f'"x":"{epk["x"]}","y":"{epk["y"]}"}}}}'
    )
    assert b64url_decode(sealed["protected"]) == expected.encode()
    assert list(sealed) == ["protected", "encrypted_key", "iv", "ciphertext", "tag"]


def test_rsa1_5_is_sealed_as_the_rfc_says() -> None:
    """For guests of old: the wrapped key opens with PKCS#1 v1.5."""
    old = seal(SECRET, rsa_jwk("RSA1_5"), allowed=frozenset({"RSA1_5"}))
    content_key = RSA.decrypt(b64url_decode(old["encrypted_key"]), padding.PKCS1v15())
    sealed = b64url_decode(old["ciphertext"]) + b64url_decode(old["tag"])
    aad = old["protected"].encode()
    assert AESGCM(content_key).decrypt(b64url_decode(old["iv"]), sealed, aad) == SECRET


@pytest.mark.parametrize(
    ("public", "private"), [(ec_jwk(P256), P256), (ec_jwk(P521), P521), (rsa_jwk(), RSA)]
)
def test_another_library_opens_what_is_sealed(public: Any, private: Any) -> None:
    """The envelope is plain RFC 7516, so a second implementation agrees."""
    key_type = ECKey if isinstance(public, ECPublicJWK) else RSAKey
    key = key_type.import_key(private)
    registry = jose_jwe.JWERegistry(algorithms=[public.alg, "A256GCM"])
    opened = jose_jwe.decrypt_json(seal(SECRET, public), key, registry=registry)
    assert opened.plaintext == SECRET


def test_another_librarys_envelope_opens() -> None:
    """The associated data is the header as received, whatever its member order."""
    registry = jose_jwe.JWERegistry(algorithms=["ECDH-ES+A256KW", "A256GCM"])
    protected = {"enc": "A256GCM", "alg": "ECDH-ES+A256KW"}
    key = ECKey.import_key(P256.public_key())
    compact = jose_jwe.encrypt_compact(protected, SECRET, key, registry=registry)
    names = ("protected", "encrypted_key", "iv", "ciphertext", "tag")
    sealed = dict(zip(names, compact.split("."), strict=True))
    assert open_sealed(sealed, P256) == SECRET


def test_each_sealing_is_fresh() -> None:
    """No key, IV or ephemeral point is used twice."""
    one, other = seal(SECRET, ec_jwk(P256)), seal(SECRET, ec_jwk(P256))
    assert all(one[name] != other[name] for name in one)


@settings(max_examples=150, deadline=None)
@given(
    name=st.sampled_from(sorted(SEALED)),
    value=st.none() | st.integers() | st.text(max_size=40) | st.binary(max_size=60),
)
def test_any_member_opens_not_or_is_a_wire_error(name: str, value: Any) -> None:
    """Nothing that a stranger puts into a member raises anything else."""
    text = base64.urlsafe_b64encode(value).decode() if isinstance(value, bytes) else value
    if text != SEALED[name]:
        with pytest.raises(WireError):
            open_sealed({**SEALED, name: text}, P256)
