"""Verifiers, one file for each kind of TEE, found by name.

A verifier is a module with a constant ``VERIFIER: Verifier``: built in, in this package, with ``_``
in the place of ``-``; or installed, as an entry point of the group ``vouchgate.verifiers``. Only
what the operator names is imported: whatever is loaded can vouch for a TEE.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Sequence
from importlib.metadata import EntryPoint, entry_points

import structlog

from app.attestation.evidence import Verifier
from app.trust.errors import ConfigError

ENTRY_POINT_GROUP = "vouchgate.verifiers"

_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")

_log = structlog.get_logger(__name__)


def load_verifiers(enabled: Sequence[str], *, allow_insecure: bool) -> dict[str, Verifier]:
    """The enabled verifiers by wire name.

    Args:
        enabled: names, as settings have them.
        allow_insecure: whether verifiers are accepted whose evidence anyone can forge.

    Raises:
        ConfigError: a name that does not exist, a module that does not fit, an insecure verifier
            that is not allowed, or two of one wire name; all faults are listed.
    """
    faults: list[str] = []
    verifiers: dict[str, Verifier] = {}
    for name in enabled:
        try:
            verifier = _load(name)
            _check(name, verifier, verifiers, allow_insecure=allow_insecure)
        except ConfigError as error:
            faults += error.faults
            continue
        verifiers[verifier.tee] = verifier
        origin = type(verifier).__module__
        _log.info("verifier loaded", tee=verifier.tee, module=origin, insecure=verifier.insecure)
    if faults:
        raise ConfigError(faults)
    return verifiers


def known_verifiers() -> list[str]:
    """The names that can be enabled: built in and installed."""
    return sorted({*_built_in(), *(point.name for point in _installed())})


def _load(name: str) -> Verifier:
    if _NAME.fullmatch(name) and name in _built_in():
        module = importlib.import_module(f"{__name__}.{name.replace('-', '_')}")
        return _fitting(name, getattr(module, "VERIFIER", None))
    for point in _installed():
        if point.name == name:
            return _fitting(name, _import(name, point))
    exist = ", ".join(known_verifiers())
    raise ConfigError([f"attestation.verifiers: no verifier {name!r}; there are {exist}"])


def _import(name: str, point: EntryPoint) -> object:
    try:
        return point.load()
    except (ImportError, AttributeError) as error:
        raise ConfigError([f"attestation.verifiers: {name} cannot be imported"]) from error


def _fitting(name: str, found: object) -> Verifier:
    """The object, when it has what the port asks for; plugins are not type-checked with us."""
    fits = (
        isinstance(getattr(found, "tee", None), str)
        and isinstance(getattr(found, "insecure", None), bool)
        and callable(getattr(found, "verify", None))
    )
    if not fits:
        raise ConfigError([f"attestation.verifiers: {name} exports no verifier"])
    return found  # type: ignore[return-value]  # checked above, member by member


def _check(
    name: str, verifier: Verifier, loaded: dict[str, Verifier], *, allow_insecure: bool
) -> None:
    faults = []
    if verifier.insecure and not allow_insecure:
        faults.append(
            f"attestation.verifiers: anyone can forge evidence of {name}; it needs "
            "insecure_allow_sample = true"
        )
    if verifier.tee in loaded:
        faults.append(f"attestation.verifiers: two verifiers for {verifier.tee!r}")
    if faults:
        raise ConfigError(faults)


def _built_in() -> list[str]:
    modules = pkgutil.iter_modules(__path__)
    return [module.name.replace("_", "-") for module in modules if not module.ispkg]


def _installed() -> list[EntryPoint]:
    return sorted(entry_points(group=ENTRY_POINT_GROUP), key=lambda point: point.name)
