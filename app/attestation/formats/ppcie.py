"""Protected PCIe: eight graphics processors and four switches that name each other.

Source: NVIDIA's documentation of multi-GPU attestation. The names are PDIs, as NRAS reports them.
"""

from __future__ import annotations

from collections.abc import Sequence

from app.attestation.evidence import Claims
from app.trust.json_types import JSONObject, JSONValue

_GPUS, _SWITCHES = 8, 4


def ppcie_topology(devices: Sequence[Claims]) -> Claims | None:
    """The claims of a whole machine; ``None`` when the devices are not one.

    A machine with other devices is no error: each of them is judged by itself.
    """
    gpus = [each.values for each in devices if each.tee_class == "gpu"]
    switches = [each.values for each in devices if each.tee_class == "switch"]
    if (len(gpus), len(switches)) != (_GPUS, _SWITCHES):
        return None
    switches_of = [_pdis(each, "x-nvidia-gpu-switch-pdis") for each in gpus]
    gpus_of = [_pdis(each, "x-nvidia-switch-gpu-pdis") for each in switches]
    own = {_pdi(each.get("x-nvidia-switch-pdi")) for each in switches}
    # Every processor names the same four switches, which are those that are here, and every switch
    # the same eight processors.
    if None in own or len(own) != _SWITCHES or any(each != own for each in switches_of):
        return None
    if len(gpus_of[0]) != _GPUS or any(each != gpus_of[0] for each in gpus_of):
        return None
    return Claims("ppcie", {"switch_count": _SWITCHES, "gpu_count": _GPUS})


def _pdis(values: JSONObject, name: str) -> set[str | None]:
    listed = values.get(name)
    return {_pdi(each) for each in listed} - {None} if isinstance(listed, list) else set()


def _pdi(value: JSONValue) -> str | None:
    """A name in lower case; ``None`` for all zeros, which stand for no device."""
    if not isinstance(value, str) or not value.lower().removeprefix("0x").strip("0"):
        return None
    return value.lower()
