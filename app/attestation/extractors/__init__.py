"""Readers of reference value messages, one file for each type, found by name.

An extractor is a module with a constant ``EXTRACTOR: Extractor``: built in, in this package, with
``_`` in the place of ``-``; or installed, as an entry point of the group ``vouchgate.extractors``.
Only what the operator names is imported. Whether a type is signed is said on its page; one that is
refuses what nobody in the settings signed.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Protocol

from app.attestation.message_signers import Signer, TrustedSigners
from app.trust.errors import ConfigError
from app.trust.json_types import JSONValue

ENTRY_POINT_GROUP = "vouchgate.extractors"


@dataclass(frozen=True, slots=True)
class Extracted:
    """What a message says.

    Attributes:
        values: by name.
        signer: who signed them; ``None`` where the type has no signature.
    """

    values: Mapping[str, JSONValue]
    signer: Signer | None = None


class Extractor(Protocol):
    """One type of message.

    Attributes:
        type: ``type`` of the message.
    """

    type: str

    def extract(self, payload: str, signers: TrustedSigners) -> Extracted:
        """The values in a payload, by name.

        Args:
            payload: of the message.
            signers: whose signature counts.

        Raises:
            MalformedReferenceValueError: the payload is not of this type's form.
            UntrustedSignerError: it is signed by nobody who is trusted.
            UnverifiedError: it is signed by someone, and not as it should be.
        """
        ...


def load_extractors(enabled: Sequence[str]) -> dict[str, Extractor]:
    """The enabled extractors by type.

    Args:
        enabled: names, as settings have them.

    Raises:
        ConfigError: a name that does not exist, or what it names is no extractor of that type; all
            faults are listed.
    """
    found = {name: _find(name) for name in enabled}
    faults = [
        f"rvps.extractors: there is no extractor {name!r}"
        for name, extractor in found.items()
        if getattr(extractor, "type", None) != name
        or not callable(getattr(extractor, "extract", None))
    ]
    if faults:
        raise ConfigError(faults)
    return found  # type: ignore[return-value]  # checked above; plugins are not type-checked with us


def built_in_extractors() -> list[str]:
    """The names of the extractors that come with the server."""
    return sorted(each.name.replace("_", "-") for each in pkgutil.iter_modules(__path__))


def _find(name: str) -> object:
    """What a name stands for, ``None`` when that is nothing."""
    if name in built_in_extractors():
        module = importlib.import_module(f"{__name__}.{name.replace('-', '_')}")
        return getattr(module, "EXTRACTOR", None)
    for point in entry_points(group=ENTRY_POINT_GROUP, name=name):
        try:
            loaded: object = point.load()
        except (ImportError, AttributeError) as error:
            raise ConfigError([f"rvps.extractors: {name} cannot be imported"]) from error
        return loaded
    return None
