"""The ports that drivers of key management services fit.

A driver is a module of this package, named after its provider, with a function ``open_kms`` and the
constant ``LIBRARIES``: the importable names that it needs beside the guest's own dependencies. They
are loaded when a service is opened, and not before.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeAlias, runtime_checkable

from guest.clock import Clock, SystemClock
from guest.kms_settings import KMSAccess
from guest.wire.json_types import JSONObject

# Brings the plaintext of a resource by its URI, as ``guest.cdh.hub.Hub.get_resource`` does.
ResourceFetcher: TypeAlias = Callable[[str], bytes]

NOWHERE = KMSAccess(Path("/nonexistent"))


@dataclass(frozen=True, slots=True)
class KMSOptions:
    """What a driver is opened with.

    Attributes:
        fetch: brings resources.
        settings: ``provider_settings`` of whoever sealed, as they came; unverified types.
        access: how the guest's own settings have the provider reached.
        clock: tells requests' time.
    """

    fetch: ResourceFetcher = field(repr=False)
    settings: JSONObject = field(default_factory=dict, repr=False)
    access: KMSAccess = NOWHERE
    clock: Clock = field(default_factory=SystemClock)


class KMS(Protocol):
    """One key management service."""

    def decrypt(self, ciphertext: bytes, key_id: str, annotations: JSONObject) -> bytearray:
        """What was encrypted under a key of the service; the caller wipes it.

        Args:
            ciphertext: in the service's own form.
            key_id: of the key, as the service names it.
            annotations: what the service gave when it encrypted; unverified types.

        Raises:
            NotDecryptedError: it does not open.
            MalformedSecretError: the key id or the annotations do not fit the driver.
            GuestError: the service was not reached, or refused.
        """
        ...

    def get_secret(self, name: str, annotations: JSONObject) -> bytes:
        """A secret that the service keeps.

        Raises:
            KMSUnsupportedError: the service keeps none.
            MalformedSecretError: the name or the annotations do not fit the driver.
            GuestError: the service was not reached, refused, or has none.
        """
        ...


@dataclass(frozen=True, slots=True)
class Wrapped:
    """What a service made of a data key.

    Attributes:
        ciphertext: in the service's own form.
        annotations: what it wants to be given back with it.
    """

    ciphertext: bytes = field(repr=False)
    annotations: JSONObject


@runtime_checkable
class Encrypter(Protocol):
    """A service that whoever seals can ask to encrypt."""

    def encrypt(self, plaintext: bytes, key_id: str, annotations: JSONObject) -> Wrapped:
        """The ciphertext that ``KMS.decrypt`` opens.

        Args:
            plaintext: a data key.
            key_id: of the key, as the service names it.
            annotations: what whoever seals wants to have bound.

        Raises:
            MalformedSecretError: the key id or the annotations do not fit the driver.
            GuestError: the service was not reached, or refused.
        """
        ...


class KMSDriver(Protocol):
    """The function ``open_kms`` of a driver's module."""

    def __call__(self, options: KMSOptions) -> KMS:
        """Open the service.

        Raises:
            MalformedSecretError: ``provider_settings`` do not fit the driver.
            ConfigError: the guest's own settings lack what the driver needs.
            KMSCredentialsError: there are no credentials.
            KMSExtraError: a library is not installed.
        """
        ...
