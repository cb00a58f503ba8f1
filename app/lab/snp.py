"""A simulated SEV-SNP chip: real report structures, signed under a test root.

The layout is written down here a second time, apart from the code under test, so that the two can
disagree.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA384

from app.lab.amd_authority import LeafPlan, SimulatedAMD

_CPUS = {"Milan": (0x19, 0x01), "Genoa": (0x19, 0xA0), "Turin": (0x1A, 0x02)}
# Offset and length of the byte strings, by their names in JSON.
_STRINGS = {
    "family_id": (0x10, 16),
    "image_id": (0x20, 16),
    "report_data": (0x50, 64),
    "measurement": (0x90, 48),
    "host_data": (0xC0, 32),
    "id_key_digest": (0xE0, 48),
    "author_key_digest": (0x110, 48),
    "report_id": (0x140, 32),
    "report_id_ma": (0x160, 32),
    "chip_id": (0x1A0, 64),
}
_TCBS = {"current_tcb": 0x38, "reported_tcb": 0x180, "committed_tcb": 0x1E0, "launch_tcb": 0x1F0}


@dataclass(frozen=True)
class ReportFields:
    """What a report is to say; tests change one thing."""

    report_data: bytes = b""
    host_data: bytes = bytes(32)
    measurement: bytes = bytes(range(48))
    vmpl: int = 0
    version: int = 3
    policy: int = 0x30000
    platform: int = 1
    signature_algorithm: int = 1
    signing_key: int | None = None
    tcb: dict[str, int] | None = None
    chip_id: bytes | None = None


@dataclass(frozen=True)
class SimulatedSNP:
    """A chip and the certificate of the key it signs with.

    Attributes:
        amd: the root it stands under.
        tcb: patch levels; ``fmc`` on Turin only.
        hwid: 64 bytes, or 8 on Turin.
        kind: ``VCEK`` or ``VLEK``.
        certificate: its certificate, DER.
    """

    amd: SimulatedAMD
    tcb: dict[str, int]
    hwid: bytes
    kind: str
    certificate: bytes
    key: ec.EllipticCurvePrivateKey = field(repr=False)

    @property
    def generation(self) -> str:
        """``Milan``, ``Genoa`` or ``Turin``."""
        return self.amd.generation

    def report(self, fields: ReportFields) -> bytes:
        """A signed report: 1184 bytes, as the firmware gives them."""
        data = bytearray(1184)
        struct.pack_into("<I4xQ", data, 0, fields.version, fields.policy)
        struct.pack_into("<II", data, 0x30, fields.vmpl, fields.signature_algorithm)
        kind = fields.signing_key
        if kind is None:
            kind = ("VCEK", "VLEK").index(self.kind)
        struct.pack_into("<QI", data, 0x40, fields.platform, kind << 2)
        if fields.version >= 3:
            data[0x188:0x18A] = bytes(_CPUS[self.generation])
        if fields.version >= 5:
            struct.pack_into("<QQ", data, 0x1F8, 3, 7)
        tcb = self._tcb(fields.tcb or self.tcb)
        for offset in _TCBS.values():
            data[offset : offset + 8] = tcb
        data[0x1E8:0x1EB] = data[0x1EC:0x1EF] = bytes([21, 55, 1])
        chip_id = self.hwid if fields.chip_id is None else fields.chip_id
        _put(data, "chip_id", chip_id)
        _put(data, "report_data", fields.report_data)
        _put(data, "host_data", fields.host_data)
        _put(data, "measurement", fields.measurement)
        return self.sign(bytes(data))

    def sign(self, report: bytes) -> bytes:
        """The report with a fresh signature."""
        signature = self.key.sign(report[:0x2A0], ec.ECDSA(SHA384()))
        parts = (number.to_bytes(72, "little") for number in decode_dss_signature(signature))
        return report[:0x2A0] + b"".join(parts) + report[0x330:]

    def evidence(self, report: bytes, **certificates: bytes) -> dict[str, Any]:
        """Evidence as a guest sends it; without certificates named, the chip's own."""
        chain = certificates or {self.kind: self.certificate}
        return {
            "attestation_report": report_json(report, self.generation),
            "cert_chain": [{"cert_type": key, "data": [*data]} for key, data in chain.items()],
        }

    def _tcb(self, tcb: dict[str, int]) -> bytes:
        bootloader, tee, snp, microcode = (
            tcb[name] for name in ("bootloader", "tee", "snp", "microcode")
        )
        if self.generation == "Turin":
            return bytes([tcb["fmc"], bootloader, tee, snp, 0, 0, 0, microcode])
        return bytes([bootloader, tee, 0, 0, 0, 0, snp, microcode])


def make_chip(amd: SimulatedAMD, kind: str = "VCEK", plan: LeafPlan | None = None) -> SimulatedSNP:
    """A chip under a root, with a certificate as planned or a faultless one."""
    key = _report_key()
    plan = plan or faultless_leaf(amd.generation, kind)
    faultless = faultless_leaf(amd.generation, kind)
    certificate = amd.leaf(plan, key)
    hwid = faultless.hwid or bytes(64)
    return SimulatedSNP(amd, faultless.tcb, hwid, kind, certificate, key)


def faultless_leaf(generation: str, kind: str = "VCEK") -> LeafPlan:
    """What the certificate of a chip says."""
    tcb = {"bootloader": 4, "tee": 0, "snp": 24, "microcode": 219}
    hwid: bytes | None = bytes(range(64))
    if generation == "Turin":
        tcb, hwid = {"fmc": 1, **tcb}, bytes(range(1, 9))
    if kind == "VLEK":
        hwid = None
    return LeafPlan(tcb, hwid, f"SEV-{kind}")


def report_json(report: bytes, generation: str) -> dict[str, Any]:
    """The JSON form of the bytes, as guests' agents write it."""
    version, guest_svn, policy = struct.unpack_from("<IIQ", report, 0)
    vmpl, sig_algo = struct.unpack_from("<II", report, 0x30)
    plat_info, key_info = struct.unpack_from("<QI", report, 0x40)
    vectors = struct.unpack_from("<QQ", report, 0x1F8) if version >= 5 else (None, None)
    cpu = [*report[0x188:0x18B]] if version >= 3 else [None] * 3
    return {
        "version": version,
        "guest_svn": guest_svn,
        "policy": policy,
        "vmpl": vmpl,
        "sig_algo": sig_algo,
        "plat_info": plat_info,
        "key_info": key_info,
        **{name: [*report[at : at + size]] for name, (at, size) in _STRINGS.items()},
        **{name: _tcb_json(report[at : at + 8], generation) for name, at in _TCBS.items()},
        "cpuid_fam_id": cpu[0],
        "cpuid_mod_id": cpu[1],
        "cpuid_step": cpu[2],
        "current": dict(zip(("build", "minor", "major"), report[0x1E8:0x1EB], strict=True)),
        "committed": dict(zip(("build", "minor", "major"), report[0x1EC:0x1EF], strict=True)),
        "launch_mit_vector": vectors[0],
        "current_mit_vector": vectors[1],
        "signature": {"r": [*report[0x2A0:0x2E8]], "s": [*report[0x2E8:0x330]]},
    }


def _tcb_json(tcb: bytes, generation: str) -> dict[str, int | None]:
    if generation == "Turin":
        levels = (*tcb[:4], tcb[7])
        return dict(zip(("fmc", "bootloader", "tee", "snp", "microcode"), levels, strict=True))
    names = ("bootloader", "tee", "snp", "microcode")
    return {"fmc": None, **dict(zip(names, (*tcb[:2], *tcb[6:]), strict=True))}


def _put(data: bytearray, name: str, value: bytes) -> None:
    offset, size = _STRINGS[name]
    data[offset : offset + size] = value.ljust(size, b"\0")


@lru_cache(maxsize=1)
def _report_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP384R1())
