"""A simulated TDX machine: quotes of versions 4 and 5 over any report data, under a test root.

``SimulatedTDX().evidence(report_data)`` is what a guest would send; ``publication`` is the
collateral that goes with it, and ``intel.roots`` (or ``intel.root_pem``) what a verifier must pin.
The same machine quotes SGX enclaves (``sgx_quote``).
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from app.lab.intel import (
    QE_PROD_IDS,
    QE_SIGNER,
    QE_SVN,
    TDX_COMPONENTS,
    Publication,
    SimulatedIntel,
)
from app.lab.intel_certificates import Identity, Platform, raw_signature

INTEL_VENDOR_ID = bytes.fromhex("939a7233f79c4ca9940a0db3957f0607")
SEPT_VE_DISABLE = (1 << 28).to_bytes(8, "little")

_TDX_TEE_TYPE = 0x81
_BODY_TYPES = {584: 2, 648: 3}


@dataclass(frozen=True)
class SimulatedTD:
    """A trust domain; what is not said is zero.

    Attributes:
        rtmrs: four registers of 48 bytes; ``event_log`` extends them.
        tcb_svn2: makes the body one of TDX 1.5.
    """

    mr_td: bytes = hashlib.sha384(b"simulated firmware").digest()
    mr_config_id: bytes = bytes(48)
    rtmrs: Sequence[bytes] = (bytes(48),) * 4
    attributes: bytes = SEPT_VE_DISABLE
    tcb_svn: bytes = bytes(TDX_COMPONENTS)
    mr_seam_signer: bytes = bytes(48)
    seam_attributes: bytes = bytes(8)
    tcb_svn2: bytes | None = None
    mr_servicetd: bytes = bytes(48)

    def report(self, report_data: bytes) -> bytes:
        """The TD report: 584 bytes, or 648 in TDX 1.5."""
        parts = [
            self.tcb_svn,
            hashlib.sha384(b"simulated module").digest(),
            self.mr_seam_signer,
            self.seam_attributes,
            self.attributes,
            bytes.fromhex("e702060000000000"),
            self.mr_td,
            self.mr_config_id.ljust(48, b"\x00"),
            bytes(96),
            *self.rtmrs,
            report_data.ljust(64, b"\x00"),
        ]
        if self.tcb_svn2 is not None:
            parts += [self.tcb_svn2, self.mr_servicetd]
        return b"".join(parts)


@dataclass(frozen=True)
class SimulatedQE:
    """A quoting enclave; what is not said is as its identity wants it."""

    enclave_id: str = "TD_QE"
    misc_select: bytes = bytes(4)
    attributes: bytes = bytes.fromhex("1500000000000000e700000000000000")
    signer: bytes = QE_SIGNER
    isv_svn: int = QE_SVN
    prod_id: int | None = None

    def report(self, report_data: bytes) -> bytes:
        """The enclave report, 384 bytes."""
        prod_id = QE_PROD_IDS[self.enclave_id] if self.prod_id is None else self.prod_id
        return sgx_report(
            report_data,
            misc_select=self.misc_select,
            attributes=self.attributes,
            signer=self.signer,
            prod_id=prod_id,
            isv_svn=self.isv_svn,
        )


@dataclass
class SimulatedTDX:
    """A machine whose PCK certificate a simulated Intel has issued."""

    intel: SimulatedIntel = field(default_factory=SimulatedIntel)
    platform: Platform = field(default_factory=Platform)
    auth_data: bytes = bytes(range(32))

    def __post_init__(self) -> None:
        """Make the keys that the machine keeps."""
        self.pck: Identity = self.intel.certify(self.platform)
        self.attestation_key = ec.generate_private_key(ec.SECP256R1())
        self.publication: Publication = self.intel.publish(self.platform)

    @classmethod
    def at(cls, now: datetime) -> SimulatedTDX:
        """A machine whose collateral is fresh at a time, for servers with a clock of their own."""
        return cls(SimulatedIntel(published_at=now - timedelta(days=1)))

    def evidence(
        self, report_data: bytes, td: SimulatedTD | None = None, log: bytes | None = None
    ) -> dict[str, Any]:
        """Evidence as a guest sends it; a log extends the registers of the TD."""
        td = td or SimulatedTD()
        if log is not None:
            td = replace(td, rtmrs=registers_of(log))
        quote = self.quote(report_data, td)
        encoded = None if log is None else base64.b64encode(log).decode()
        return {"quote": base64.b64encode(quote).decode(), "cc_eventlog": encoded}

    def quote(
        self,
        report_data: bytes,
        td: SimulatedTD | None = None,
        *,
        version: int | None = None,
        qe: SimulatedQE | None = None,
        padding: int = 0,
    ) -> bytes:
        """A TD quote.

        Args:
            report_data: at most 64 bytes.
            td: what the quote is about.
            version: 4 or 5; without it 5 for a TD of TDX 1.5, else 4.
            qe: who vouches for the attestation key.
            padding: zero bytes behind the quote, as some platforms have them.
        """
        td = td or SimulatedTD()
        report = td.report(report_data)
        version = version or (4 if td.tcb_svn2 is None else 5)
        described = b""
        if version == 5:
            described = _le(_BODY_TYPES[len(report)], 2) + _le(len(report), 4)
        signed = header(version, _TDX_TEE_TYPE) + described + report
        certified = self._vouched(qe or SimulatedQE())
        section = (
            raw_signature(self.attestation_key, signed)
            + self._attestation_point()
            + _le(6, 2)
            + _le(len(certified), 4)
            + certified
        )
        return signed + _le(len(section), 4) + section + bytes(padding)

    def sgx_quote(
        self, report_data: bytes, *, config_id: bytes = b"", qe: SimulatedQE | None = None
    ) -> bytes:
        """An SGX quote of version 3."""
        signed = header(3, 0) + sgx_report(report_data, config_id=config_id)
        section = (
            raw_signature(self.attestation_key, signed)
            + self._attestation_point()
            + self._vouched(qe or SimulatedQE("QE"))
        )
        return signed + _le(len(section), 4) + section

    def _attestation_point(self) -> bytes:
        public = self.attestation_key.public_key()
        return public.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)[1:]

    def _vouched(self, qe: SimulatedQE) -> bytes:
        """QE report, its signature, the auth data, and the PCK chain."""
        bound = hashlib.sha256(self._attestation_point() + self.auth_data).digest()
        report = qe.report(bound)
        chain = self.intel.pck_chain(self.pck, self.platform.authority)
        return (
            report
            + self.pck.sign(report)
            + _le(len(self.auth_data), 2)
            + self.auth_data
            + _le(5, 2)
            + _le(len(chain), 4)
            + chain
        )


def header(version: int, tee_type: int) -> bytes:
    """The 48 bytes that a quote begins with."""
    return _le(version, 2) + _le(2, 2) + _le(tee_type, 4) + bytes(4) + INTEL_VENDOR_ID + bytes(20)


def sgx_report(  # noqa: PLR0913 - every field may be wrong
    report_data: bytes,
    *,
    misc_select: bytes = bytes(4),
    attributes: bytes = bytes.fromhex("0500000000000000e700000000000000"),
    signer: bytes = hashlib.sha256(b"simulated signer").digest(),
    config_id: bytes = b"",
    prod_id: int = 0,
    isv_svn: int = 0,
) -> bytes:
    """An enclave report, 384 bytes."""
    return b"".join(
        [
            bytes(16),
            misc_select,
            bytes(28),
            attributes,
            hashlib.sha256(b"simulated enclave").digest(),
            bytes(32),
            signer,
            bytes(32),
            config_id.ljust(64, b"\x00"),
            _le(prod_id, 2),
            _le(isv_svn, 2),
            bytes(60),
            report_data.ljust(64, b"\x00"),
        ]
    )


def event_log(events: Sequence[tuple[int, int, bytes]]) -> bytes:
    """A log of ``(index, event type, data)``, each with the SHA-384 digest of its data."""
    spec = b"Spec ID Event03\x00" + bytes(8) + _le(1, 4) + _le(0x0C, 2) + _le(48, 2) + b"\x00"
    log = bytes(4) + _le(3, 4) + bytes(20) + _le(len(spec), 4) + spec
    for index, kind, data in events:
        digest = hashlib.sha384(data).digest()
        log += _le(index, 4) + _le(kind, 4) + _le(1, 4) + _le(0x0C, 2) + digest
        log += _le(len(data), 4) + data
    return log + b"\xff" * 8


def registers_of(log: bytes) -> list[bytes]:
    """RTMR 0 to 3 after a log that ``event_log`` made; read on its own, not by what is tested."""
    values = [bytes(48)] * 4
    at = 32 + int.from_bytes(log[28:32], "little")
    while log[at : at + 8] != b"\xff" * 8:
        index = int.from_bytes(log[at : at + 4], "little")
        digest = log[at + 14 : at + 62]
        if 1 <= index <= 4:
            values[index - 1] = hashlib.sha384(values[index - 1] + digest).digest()
        at += 66 + int.from_bytes(log[at + 62 : at + 66], "little")
    return values


def _le(number: int, size: int) -> bytes:
    return number.to_bytes(size, "little")
