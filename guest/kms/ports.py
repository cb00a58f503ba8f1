"""The port that every driver of a key management service fits.

A driver is a module of this package, named after its provider, with a function ``open_kms``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

from guest.wire.json_types import JSONObject

# Brings the plaintext of a resource by its URI, as ``guest.cdh.hub.Hub.get_resource`` does.
ResourceFetcher: TypeAlias = Callable[[str], bytes]


@dataclass(frozen=True, slots=True)
class KMSOptions:
    """What a driver is opened with.

    Attributes:
        fetch: brings resources; credentials of a cloud lie there, and nowhere in the secret.
        settings: ``provider_settings`` of whoever sealed, as they came; unverified types.
    """

    fetch: ResourceFetcher = field(repr=False)
    settings: JSONObject = field(default_factory=dict, repr=False)


class KMS(Protocol):
    """One key management service."""

    def decrypt(self, ciphertext: bytes, key_id: str, annotations: JSONObject) -> bytes:
        """What was encrypted under a key of the service.

        Args:
            ciphertext: in the service's own form.
            key_id: of the key, as the service names it.
            annotations: what the service gave when it encrypted; unverified types.

        Raises:
            NotDecryptedError: it does not open.
            GuestError: the service was not reached, or refused.
        """
        ...

    def get_secret(self, name: str, annotations: JSONObject) -> bytes:
        """A secret that the service keeps.

        Raises:
            GuestError: the service was not reached, refused, or has none.
        """
        ...


class KMSDriver(Protocol):
    """The function ``open_kms`` of a driver's module."""

    def __call__(self, options: KMSOptions) -> KMS:
        """Open the service.

        Raises:
            MalformedSecretError: the settings do not fit the driver.
        """
        ...
