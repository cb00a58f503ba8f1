"""A simulated NVIDIA DPU: a root, a device identity, and the alias key of one start."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA384
from fakes import NOON
from simulated.nvidia import TCB_INFO, Holder, Plan, issue

SHA384_OID = bytes.fromhex("0609608648016503040202")


def value(tag: int, content: bytes) -> bytes:
    """One value in DER."""
    length = bytes([len(content)])
    if len(content) > 127:
        length = b"\x82" + len(content).to_bytes(2, "big")
    return bytes([tag]) + length + content


def tcb_info(digests: list[bytes], *, wrapped: bool = True) -> bytes:
    """A TcbInfo with these layers, wrapped once more as BlueField does, or as TCG writes it."""
    layers = b"".join(value(0x30, SHA384_OID + value(4, each)) for each in digests)
    return value(0x30, value(0xA6, value(0x30, layers) if wrapped else layers))


LAYERS = [hashlib.sha384(bytes([number])).digest() for number in range(3)]
DEVICE_PLAN = Plan(
    "bluefield3", extensions={TCB_INFO: tcb_info(LAYERS)}, serial=0xABCDEF, authority=True
)
ALIAS_PLAN = Plan("alias", authority=False, not_before=NOON - timedelta(minutes=5))


@dataclass
class SimulatedDPU:
    """The chain; each part may be planned otherwise."""

    device_plan: Plan = field(default_factory=lambda: replace(DEVICE_PLAN))
    alias_plan: Plan = field(default_factory=lambda: replace(ALIAS_PLAN))
    root: Holder = field(default_factory=lambda: issue(Plan("DPU Root")))

    def __post_init__(self) -> None:
        self.device = issue(self.device_plan, self.root)
        self.alias = issue(self.alias_plan, self.device)

    def evidence(self, signed: bytes, *, raw: bool = False, **changes: Any) -> dict[str, Any]:
        """Evidence whose alias signed these bytes."""
        signature = (
            self.alias.sign(signed) if raw else self.alias.key.sign(signed, ec.ECDSA(SHA384()))
        )
        device = {
            "architecture": "bluefield3",
            "alias_cert": base64.b64encode(self.alias.der).decode(),
            "device_id_cert": base64.b64encode(self.device.der).decode(),
            "report_data_signature": base64.b64encode(signature).decode(),
        }
        return {"version": 1, "devices": [device | changes]}
