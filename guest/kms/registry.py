"""Finding the driver of a provider: one module each, imported when a secret asks for it."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from importlib.util import find_spec
from types import ModuleType
from typing import TypeAlias

import guest.kms
from guest.errors import UnknownProviderError
from guest.kms.ports import KMS, KMSDriver, KMSOptions, ResourceFetcher
from guest.kms_settings import KMSSettings
from guest.wire.json_types import JSONObject

# What is in the package and is no driver.
_OTHERS = frozenset(
    {
        "aliyun_signing",
        "crc32c",
        "connections",
        "credentials",
        "exchange",
        "libraries",
        "members",
        "ports",
        "registry",
        "requests_adapter",
        "ttlv",
        "wiping",
    }
)

# Opens the service of a provider, with the ``provider_settings`` of whoever sealed.
KMSOpener: TypeAlias = Callable[[str, JSONObject], KMS]


def provider_names() -> list[str]:
    """Names of all drivers that are here, sorted."""
    modules = pkgutil.iter_modules(guest.kms.__path__)
    return sorted(module.name for module in modules if module.name not in _OTHERS)


def missing_libraries(provider: str) -> list[str]:
    """What has to be installed before a driver can be used; the libraries are not loaded."""
    return [name for name in _driver(provider).LIBRARIES if not _is_installed(name)]


def open_kms(provider: str, options: KMSOptions) -> KMS:
    """The service of a provider.

    Raises:
        UnknownProviderError: there is no such driver; the message has the names that exist.
        MalformedSecretError, ConfigError, KMSCredentialsError, KMSExtraError: as ``KMSDriver``.
    """
    driver: KMSDriver = _driver(provider).open_kms
    return driver(options)


def opener(settings: KMSSettings, fetch: ResourceFetcher) -> KMSOpener:
    """What opens any provider in the way that the guest's settings say.

    Args:
        settings: how providers are reached.
        fetch: brings resources.
    """
    return lambda provider, given: open_kms(
        provider, KMSOptions(fetch, given, settings.access(provider))
    )


def _driver(provider: str) -> ModuleType:
    names = provider_names()
    if provider not in names:
        raise UnknownProviderError(f"the provider is none of those here: {', '.join(names)}")
    return importlib.import_module(f"guest.kms.{provider}")


def _is_installed(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:
        # A package above it is missing.
        return False
