"""Finding the driver of a provider: one module each, imported when a secret asks for it."""

from __future__ import annotations

import importlib
import pkgutil

import guest.kms
from guest.errors import UnknownProviderError
from guest.kms.ports import KMS, KMSDriver, KMSOptions

# What is in the package and is no driver.
_OTHERS = frozenset({"ports", "registry"})


def provider_names() -> list[str]:
    """Names of all drivers that are installed, sorted."""
    modules = pkgutil.iter_modules(guest.kms.__path__)
    return sorted(module.name for module in modules if module.name not in _OTHERS)


def open_kms(provider: str, options: KMSOptions) -> KMS:
    """The service of a provider.

    Raises:
        UnknownProviderError: there is no such driver; the message has the names that exist.
        MalformedSecretError: the settings do not fit the driver.
    """
    names = provider_names()
    if provider not in names:
        raise UnknownProviderError(f"the provider is none of those here: {', '.join(names)}")
    driver: KMSDriver = importlib.import_module(f"guest.kms.{provider}").open_kms
    return driver(options)
