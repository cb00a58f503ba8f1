"""Finding the attester: by name when settings name the TEE, else by looking at the machine."""

from __future__ import annotations

import importlib
import pkgutil
import re
from typing import TYPE_CHECKING

import guest.attesters
from guest.attester import Attester, Devices, Place
from guest.errors import ConfigError, NoTEEError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

ENTRY_POINT_GROUP = "vouchgate.attesters"

_NAME = re.compile(r"[a-z][a-z0-9-]*")


def find_attester(tee: str | None, devices: Devices, *, insecure_sample: bool) -> Attester:
    """The attester to use.

    Args:
        tee: wire name from the settings, or ``None`` to detect.
        devices: what to detect with.
        insecure_sample: use the sample TEE, which proves nothing, when no other is named.

    Raises:
        ConfigError: no attester has that name, or an insecure one was not asked for in so many
            words.
        NoTEEError: nothing was detected. There is no fallback.
    """
    if tee is None and insecure_sample:
        return load_attester("sample")
    if tee is None:
        return detect(devices)
    attester = load_attester(tee)
    if Place.PRIMARY not in attester.place:
        raise ConfigError([f"tee: {tee} is a device; it belongs into device_tees"])
    if attester.insecure and not insecure_sample:
        raise ConfigError([f"tee: {tee} proves nothing and needs insecure_sample = true"])
    return attester


def find_device_attesters(
    tees: tuple[str, ...] | None, devices: Devices, *, insecure_sample_device: bool
) -> tuple[Attester, ...]:
    """The attesters of devices beside the TEE.

    Args:
        tees: wire names from the settings, or ``None`` to detect those that are only devices.
        devices: what to detect with.
        insecure_sample_device: add the sample device, which proves nothing.

    Raises:
        ConfigError: no attester has such a name, it is none of a device, or an
            insecure one was not asked for in so many words.
    """
    sample = (load_attester("sampledevice"),) if insecure_sample_device else ()
    if tees is None:
        return (*_detect_devices(devices), *sample)
    attesters = [_named_device(tee) for tee in dict.fromkeys(tees)]
    if any(each.insecure for each in attesters) and not insecure_sample_device:
        raise ConfigError(
            ["device_tees: sampledevice proves nothing and needs insecure_sample_device = true"]
        )
    return tuple({each.tee: each for each in (*attesters, *sample)}.values())


def detect(devices: Devices) -> Attester:
    """The first attester, in order of rank, whose TEE this is.

    Raises:
        NoTEEError: there is none.
    """
    attesters = [load_attester(name) for name in attester_names()]
    ranked = [(attester.rank, attester) for attester in attesters if attester.rank is not None]
    for _, attester in sorted(ranked, key=lambda pair: pair[0]):
        if attester.is_present(devices):
            return attester
    raise NoTEEError(
        "this guest runs in no TEE that is supported, so nothing can be attested"
        " (to learn without one, there is --insecure-sample)"
    )


def _detect_devices(devices: Devices) -> tuple[Attester, ...]:
    attesters = [load_attester(name) for name in attester_names()]
    found = [each for each in attesters if each.place is Place.DEVICE and not each.insecure]
    return tuple(each for each in found if each.is_present(devices))


def _named_device(tee: str) -> Attester:
    attester = load_attester(tee, setting="device_tees")
    if Place.DEVICE not in attester.place:
        raise ConfigError([f"device_tees: {tee} is no device"])
    return attester


def attester_names() -> list[str]:
    """Wire names of all attesters that are installed, sorted."""
    modules = pkgutil.iter_modules(guest.attesters.__path__)
    return sorted(module.name.replace("_", "-") for module in modules)


def load_attester(tee: str, setting: str = "tee") -> Attester:
    """The attester of a TEE: built in, one file each, or installed as an entry point.

    An installed one is imported only when it is named: detection looks at built-in ones.

    Args:
        tee: its wire name.
        setting: that it comes from, for the message.

    Raises:
        ConfigError: there is none, or the installed one cannot be imported or is none.
    """
    names = attester_names()
    if _NAME.fullmatch(tee) and tee not in names:
        # Not at the top: reading what is installed loads much that most guests never need.
        from importlib.metadata import entry_points

        for point in entry_points(group=ENTRY_POINT_GROUP, name=tee):
            return _installed(point, setting)
    if not _NAME.fullmatch(tee) or tee not in names:
        raise ConfigError(
            [f"{setting}: there is no attester {tee!r}; there are {', '.join(names)}"]
        )
    module = importlib.import_module(f"guest.attesters.{tee.replace('-', '_')}")
    attester: Attester = module.ATTESTER
    return attester


def _installed(point: EntryPoint, setting: str) -> Attester:
    try:
        found = point.load()
    except (ImportError, AttributeError) as error:
        raise ConfigError([f"{setting}: the attester {point.name} cannot be imported"]) from error
    fits = (
        getattr(found, "tee", None) == point.name
        and isinstance(getattr(found, "insecure", None), bool)
        and isinstance(getattr(found, "place", None), Place)
        and callable(getattr(found, "collect", None))
    )
    if not fits:
        raise ConfigError([f"{setting}: {point.name} exports no attester of this name"])
    attester: Attester = found
    return attester
