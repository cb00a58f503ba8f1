"""The Key Broker Service as a key management service: its resources are secrets and keys.

Upstream reads secrets this way (guest.md, section 7.5). Decrypting is this project's own addition:
``key_id`` is the URI of a resource of 32 bytes, and the ciphertext is a 12-byte IV followed by what
AES-256-GCM makes of the data key, tag at the end, nothing authenticated besides.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field

from guest.cdh.ciphers import A256GCM, GCM_IV_BYTES, decrypt, encrypt
from guest.kms.ports import KMS, KMSOptions, ResourceFetcher
from guest.wire.json_types import JSONObject

LIBRARIES: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class KBSDriver:
    """Fetches what it needs; the KBS sees no ciphertext."""

    fetch: ResourceFetcher = field(repr=False)

    def decrypt(self, ciphertext: bytes, key_id: str, annotations: JSONObject) -> bytearray:  # noqa: ARG002  (port)
        """The data key that was encrypted under a key of the KBS.

        Raises:
            NotDecryptedError: it does not open under this key, or the resource has not 32 bytes.
            GuestError: the key could not be fetched.
        """
        iv, wrapped = ciphertext[:GCM_IV_BYTES], ciphertext[GCM_IV_BYTES:]
        return bytearray(decrypt(self.fetch(key_id), wrapped, iv, A256GCM))

    def get_secret(self, name: str, annotations: JSONObject) -> bytes:  # noqa: ARG002  (port)
        """The resource of this URI.

        Raises:
            GuestError: it could not be fetched.
        """
        return self.fetch(name)


def open_kms(options: KMSOptions) -> KMS:
    """The KBS of the guest's settings; the secret's own settings choose nothing."""
    return KBSDriver(options.fetch)


def encrypt_data_key(data_key: bytes, key: bytes) -> bytes:
    """The ciphertext that ``KBSDriver.decrypt`` opens, for whoever seals.

    Args:
        data_key: what to encrypt.
        key: of 32 bytes, as the KBS has it.

    Raises:
        NotDecryptedError: the key has not 32 bytes.
    """
    iv = secrets.token_bytes(GCM_IV_BYTES)
    return iv + encrypt(key, data_key, iv, A256GCM)
