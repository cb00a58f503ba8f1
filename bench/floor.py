"""The cryptography that an operation cannot avoid: what each of its parts costs here, now.

Nothing of the server is called, only the library that any implementation in Python would call.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.keywrap import aes_key_unwrap, aes_key_wrap

_ROUNDS = 2000


def milliseconds(operation: Callable[[], object]) -> float:
    """The CPU time of one call."""
    for _ in range(_ROUNDS // 10):
        operation()
    started = time.process_time()
    for _ in range(_ROUNDS):
        operation()
    return (time.process_time() - started) * 1000 / _ROUNDS


def parts() -> dict[str, float]:
    """Milliseconds of each primitive."""
    key = ec.generate_private_key(ec.SECP256R1())
    tee = ec.generate_private_key(ec.SECP256R1()).public_key()
    message, kek, cek = os.urandom(2048), os.urandom(32), os.urandom(32)
    algorithm = ec.ECDSA(hashes.SHA256())
    signature = key.sign(message, algorithm)
    wrapped = aes_key_wrap(kek, cek)
    nonce = os.urandom(12)
    sealed = AESGCM(cek).encrypt(nonce, message, None)

    def agree() -> None:
        ec.generate_private_key(ec.SECP256R1()).exchange(ec.ECDH(), tee)

    return {
        "sign": milliseconds(lambda: key.sign(message, algorithm)),
        "verify": milliseconds(lambda: key.public_key().verify(signature, message, algorithm)),
        "agree": milliseconds(agree),
        "wrap": milliseconds(lambda: aes_key_wrap(kek, cek)),
        "unwrap": milliseconds(lambda: aes_key_unwrap(kek, wrapped)),
        "encrypt": milliseconds(lambda: AESGCM(cek).encrypt(nonce, message, None)),
        "decrypt": milliseconds(lambda: AESGCM(cek).decrypt(nonce, sealed, None)),
    }


def floors() -> dict[str, float]:
    """Milliseconds of unavoidable cryptography of each operation, by the operation's name.

    A token is signed once when it is made and verified once when it is shown. A secret at rest is
    opened (unwrap, decrypt) and sealed to the TEE's key (agree, wrap, encrypt).
    """
    each = parts()
    release = sum(
        each[name] for name in ("verify", "unwrap", "decrypt", "agree", "wrap", "encrypt")
    )
    return {
        "handshake": each["sign"] + release,
        "passport token": each["sign"],
        "resource with token": release,
    }


if __name__ == "__main__":
    for name, value in {**parts(), **floors()}.items():
        print(f"{name:20} {value:.3f} ms")
