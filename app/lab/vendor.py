"""A lab: the roots of an AMD and an Intel of its own, what they publish, and their machines."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec

from app.lab.amd_authority import SimulatedAMD
from app.lab.faults import Fault
from app.lab.intel import AUTHORITY_NAMES, ROOT_NAME, SIGNER_NAME, SimulatedIntel
from app.lab.intel_certificates import Platform
from app.lab.keys import LabKeys
from app.lab.snp import ReportFields, faultless_leaf, make_chip
from app.lab.tdx import SimulatedTD, SimulatedTDX
from app.lab.vtpm import AzureSNP, QuotePlan, azure_tdx, registers
from app.trust.json_types import JSONValue

TEES = ("snp", "tdx", "sgx", "az-snp-vtpm", "az-tdx-vtpm")
GENERATIONS = ("Milan", "Genoa", "Turin")

_DAY = timedelta(days=1)
_DEBUG_POLICY = 0x30000 | 1 << 19
_DEBUG_TD = (1 << 28 | 1).to_bytes(8, "little")
_OTHER_MEASUREMENT = bytes(48)
# A platform whose components are all below those of the level that is up to date.
_OLD_COMPONENTS = (1,) * 16

Documents = dict[str, tuple[bytes, Mapping[str, str]]]


@dataclass(frozen=True)
class Lab:
    """A vendor of our own.

    Attributes:
        now: the time of everything that is made, UTC.
        intel_keys: by the names of their certificates.
        amd: by generation.
        intel: with everything it publishes dated from yesterday.
        machine: a TDX machine that Intel has certified; it quotes enclaves too.
    """

    now: datetime
    intel_keys: Mapping[str, ec.EllipticCurvePrivateKey] = field(repr=False)
    amd: Mapping[str, SimulatedAMD]
    intel: SimulatedIntel
    machine: SimulatedTDX
    older: SimulatedTDX = field(repr=False)

    @classmethod
    def open(cls, now: datetime, folder: Path | None = None) -> Lab:
        """The lab of a folder; of this process alone without one."""
        keys = LabKeys(None if folder is None else folder / "keys")
        amd = {each: SimulatedAMD(each, keys=keys.of_amd(each)) for each in GENERATIONS}
        intel_keys = keys.of_intel(ROOT_NAME, SIGNER_NAME, *AUTHORITY_NAMES.values())
        intel = SimulatedIntel(published_at=now - _DAY, keys=intel_keys)
        old = Platform(components=_OLD_COMPONENTS, fmspc=bytes.fromhex("50806f000001"))
        machine, older = SimulatedTDX(intel), SimulatedTDX(intel, old)
        return cls(now, intel_keys, amd, intel, machine, older)

    @property
    def roots_pem(self) -> bytes:
        """All roots, as ``attestation.insecure_trust_lab`` takes them."""
        return b"".join(each.root_pem for each in self.amd.values()) + self.intel.root_pem

    def documents(self, fault: Fault = Fault.NONE) -> Documents:
        """What the vendors serve, by collateral name."""
        return self._amd_documents(fault) | self._intel_documents(fault)

    def evidence(self, tee: str, report_data: bytes, fault: Fault = Fault.NONE) -> JSONValue:
        """Evidence of a machine of this kind.

        Args:
            tee: one of ``TEES``.
            report_data: that it is bound to, at most 64 bytes.
            fault: what is wrong with it.
        """
        if fault is Fault.FOREIGN_ROOT:
            return Lab.open(self.now).as_stranger(tee, report_data)
        makers = {
            "snp": self._snp,
            "tdx": self._tdx,
            "sgx": self._sgx,
            "az-snp-vtpm": self._azure_snp,
            "az-tdx-vtpm": self._azure_tdx,
        }
        return makers[tee](report_data, fault)

    def as_stranger(self, tee: str, report_data: bytes) -> JSONValue:
        """Evidence with the whole chain up to a root that nobody pins, where there is room."""
        evidence = self.evidence(tee, report_data)
        if isinstance(evidence, dict) and isinstance(chain := evidence.get("cert_chain"), list):
            amd = self.amd["Milan"]
            for kind, authority in (("ASK", amd.ask), ("ARK", amd.ark)):
                chain.append({"cert_type": kind, "data": [*authority.der]})
        return evidence

    def _amd_documents(self, fault: Fault) -> Documents:
        over = self.now - _DAY if fault is Fault.EXPIRED_COLLATERAL else self.now + 30 * _DAY
        found: Documents = {}
        for generation, amd in self.amd.items():
            revoked = (amd.ask,) if fault is Fault.REVOKED else ()
            found |= {name: (body, {}) for name, body in amd.documents().items()}
            found[f"amd/{generation.lower()}/crl"] = (amd.crl(*revoked, next_update=over), {})
        return found

    def _intel_documents(self, fault: Fault) -> Documents:
        # Certificates reach five years either way, so only what is published moves.
        moved = {Fault.EXPIRED_COLLATERAL: -60 * _DAY, Fault.CLOCK_SKEW: 2 * _DAY}
        intel = self.intel
        if fault in moved:
            intel = SimulatedIntel(published_at=self.now + moved[fault], keys=self.intel_keys)
        revoked = [self.machine.pck.certificate.serial_number] if fault is Fault.REVOKED else []
        found: Documents = {}
        for each in (self.older, self.machine):
            found |= intel.publish(each.platform, revoked=revoked).documents
        return found

    def _snp(self, report_data: bytes, fault: Fault) -> JSONValue:
        plan = faultless_leaf("Milan")
        if fault is Fault.OLD_TCB:
            plan = replace(plan, tcb=plan.tcb | {"snp": plan.tcb["snp"] - 4})
        if fault is Fault.CLOCK_SKEW:
            plan = replace(plan, not_before=self.now + _DAY)
        chip = make_chip(self.amd["Milan"], plan=plan)
        report = chip.report(replace(_report_fields(fault, report_data), tcb=plan.tcb))
        if fault is Fault.FORGED:
            report = _flipped(report, 0x90)
        return chip.evidence(report)

    def _tdx(self, report_data: bytes, fault: Fault) -> JSONValue:
        machine = self.older if fault is Fault.OLD_TCB else self.machine
        quote = machine.quote(report_data, _trust_domain(fault))
        if fault is Fault.FORGED:
            quote = _flipped(quote, 48 + 136)
        return {"quote": base64.b64encode(quote).decode(), "cc_eventlog": None}

    def _sgx(self, report_data: bytes, fault: Fault) -> JSONValue:
        machine = self.older if fault is Fault.OLD_TCB else self.machine
        quote = machine.sgx_quote(report_data)
        if fault is Fault.FORGED:
            quote = _flipped(quote, 48 + 64)
        return {"quote": base64.b64encode(quote).decode()}

    def _azure_snp(self, report_data: bytes, fault: Fault) -> JSONValue:
        machine = AzureSNP(self.amd["Milan"])
        fields: dict[str, Any] = {}
        if fault is Fault.DEBUG:
            fields["policy"] = _DEBUG_POLICY
        if fault is Fault.LESS_PRIVILEGED:
            fields["vmpl"] = 1
        evidence = machine.evidence(_quote_plan(report_data, fault), **fields)
        return _with_forged_registers(evidence) if fault is Fault.FORGED else evidence

    def _azure_tdx(self, report_data: bytes, fault: Fault) -> JSONValue:
        machine = self.older if fault is Fault.OLD_TCB else self.machine
        plan = _quote_plan(report_data, fault)
        td = _trust_domain(Fault.DEBUG) if fault is Fault.DEBUG else SimulatedTD()
        evidence = azure_tdx(machine, plan, td=td)
        return _with_forged_registers(evidence) if fault is Fault.FORGED else evidence


def _report_fields(fault: Fault, report_data: bytes) -> ReportFields:
    fields = ReportFields(report_data=report_data)
    if fault is Fault.DEBUG:
        return replace(fields, policy=_DEBUG_POLICY)
    if fault is Fault.WRONG_MEASUREMENT:
        return replace(fields, measurement=_OTHER_MEASUREMENT)
    if fault is Fault.LESS_PRIVILEGED:
        return replace(fields, vmpl=1)
    return fields


def _trust_domain(fault: Fault) -> SimulatedTD:
    if fault is Fault.DEBUG:
        return SimulatedTD(attributes=_DEBUG_TD)
    if fault is Fault.WRONG_MEASUREMENT:
        return SimulatedTD(mr_td=_OTHER_MEASUREMENT)
    return SimulatedTD()


def _quote_plan(report_data: bytes, fault: Fault) -> QuotePlan:
    quoted = registers()
    if fault is Fault.WRONG_MEASUREMENT:
        quoted = [*quoted[:11], bytes(32), *quoted[12:]]
    return QuotePlan(report_data, quoted)


def _with_forged_registers(evidence: dict[str, Any]) -> JSONValue:
    quote = evidence["tpm_quote"]
    return {**evidence, "tpm_quote": {**quote, "pcrs": ["00" * 32, *quote["pcrs"][1:]]}}


def _flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
