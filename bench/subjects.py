"""Accepted evidence of every TEE, with what has to be known to verify it."""

from __future__ import annotations

import base64
import hashlib
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from simulated.cca import SimulatedCCA
from simulated.dpu import ALIAS_PLAN, SimulatedDPU
from simulated.hygon import SERIAL, Site, dcu_report, v1_report, v2_report
from simulated.nvidia import Report, SimulatedNVIDIA
from simulated.nvidia import evidence as nvidia_evidence
from simulated.nvidia_manifests import ManifestSigner
from simulated.se import Firmware, SimulatedZ

from app.attestation.collateral.ports import Collateral
from app.attestation.evidence import Binding, Challenger, Context, Verifier
from app.attestation.formats.azure_vtpm import AzureEvidence, AzureNames
from app.attestation.formats.cca_token import CCAToken
from app.attestation.formats.csv_report import CSVReport
from app.attestation.formats.dcap_quote import parse_sgx_quote, parse_td_quote
from app.attestation.formats.dcu_report import DCUReport
from app.attestation.formats.device_evidence import parse_devices
from app.attestation.formats.hcl_report import HardwareReport
from app.attestation.formats.nvidia_certificates import parse_certificate
from app.attestation.formats.se_attestation import parse_evidence
from app.attestation.formats.snp_report import SNPReport
from app.attestation.formats.snp_report_json import encode_report
from app.attestation.formats.spdm import parse_report
from app.attestation.formats.tpm_quote import TPMQuote
from app.attestation.verifiers import load_verifiers
from app.lab.vendor import Lab
from app.lab.vtpm import QuotePlan, spki, tpm_evidence
from app.trust.errors import CollateralUnavailableError

REPORT_DATA = bytes(range(48))


class Documents:
    """The port ``CollateralSource`` with documents by name."""

    def __init__(self, now: datetime, found: Mapping[str, tuple[bytes, Mapping[str, str]]]) -> None:
        self._now, self._found = now, found

    def get(self, name: str) -> Collateral:
        """See the port."""
        if name not in self._found:
            raise CollateralUnavailableError(f"no source has {name}")
        body, headers = self._found[name]
        return Collateral(name, body, dict(headers), self._now, "bench")


@dataclass(frozen=True)
class Subject:
    """One piece of evidence.

    Attributes:
        name: of the line.
        fresh: a verifier that has seen nothing.
        parse: what reads the evidence, as far as it is read before anything is checked.
        operations: under keys, of a warm verification, by their kind.
    """

    name: str
    tee: str
    evidence: Any
    context: Context
    fresh: Callable[[], Verifier]
    parse: Callable[[], object]
    operations: Mapping[str, int]
    binding: Binding = field(default_factory=lambda: Binding(REPORT_DATA))


def loaded(tee: str, root: bytes | None = None) -> Callable[[], Verifier]:
    """Verifiers of a TEE, which trust a further root."""
    kind = type(load_verifiers([tee], allow_insecure=False)[tee])

    def fresh() -> Verifier:
        made: Any = kind()
        return made if root is None else made.with_extra_roots(root)  # type: ignore[no-any-return]

    return fresh


def subjects(now: datetime) -> Iterator[Subject]:
    """All of them, by what is alike."""
    yield from _of_the_lab(now)
    yield _tpm(now)
    yield _cca(now)
    yield from _hygon(now)
    yield from _nvidia(now)
    yield _dpu(now)
    yield _se(now)


def _of_the_lab(now: datetime) -> Iterator[Subject]:
    lab = Lab.open(now)
    context = Context(now, Documents(now, lab.documents()))
    found: dict[str, Any] = {tee: lab.evidence(tee, REPORT_DATA) for tee in _LAB}
    snp, tdx, sgx, azure_snp, azure_tdx = (found[tee] for tee in _LAB)
    names = AzureNames(quote="quote", report="report")
    parsers: dict[str, Callable[[], object]] = {
        "snp": lambda: SNPReport.parse(encode_report(snp["attestation_report"])),
        "tdx": lambda: parse_td_quote(base64.b64decode(tdx["quote"])),
        "sgx": lambda: parse_sgx_quote(base64.b64decode(sgx["quote"])),
        "az-snp-vtpm": lambda: AzureEvidence.parse(azure_snp, HardwareReport.SNP, names),
        "az-tdx-vtpm": lambda: AzureEvidence.parse(azure_tdx, HardwareReport.TDX, AzureNames()),
    }
    for tee, operations in _LAB.items():
        root = lab.amd["Milan"].root_pem if "snp" in tee else lab.intel.root_pem
        yield Subject(tee, tee, found[tee], context, loaded(tee, root), parsers[tee], operations)


_LAB = {
    "snp": {"P-384": 1},
    "tdx": {"P-256": 2},
    "sgx": {"P-256": 2},
    "az-snp-vtpm": {"P-384": 1, "RSA-2048": 1},
    "az-tdx-vtpm": {"P-256": 2, "RSA-2048": 1},
}


def _tpm(now: datetime) -> Subject:
    evidence = tpm_evidence(QuotePlan(REPORT_DATA[:32]))
    message = base64.b64decode(evidence["tpm_quote"]["message"])
    options = {"trusted_aks": [hashlib.sha256(spki()).hexdigest()]}
    context = Context(now, Documents(now, {}), options)
    return Subject(
        "tpm",
        "tpm",
        evidence,
        context,
        loaded("tpm"),
        lambda: TPMQuote.parse(message),
        {"RSA-2048": 1},
    )


def _cca(now: datetime) -> Subject:
    platform = SimulatedCCA()
    token = platform.token(realm=platform.realm(REPORT_DATA))
    context = Context(now, Documents(now, {}), platform.write_files(_folder()))
    evidence = {"token": [*token]}
    return Subject(
        "cca", "cca", evidence, context, loaded("cca"), lambda: CCAToken.parse(token), {"P-384": 2}
    )


def _hygon(now: datetime) -> Iterator[Subject]:
    site = Site()
    served = {f"hygon/hsk_cek/{SERIAL.lower()}": (site.pair(), {})}
    context = Context(now, Documents(now, served))
    for version, make in ((1, v1_report), (2, v2_report)):
        evidence = site.csv_evidence(make(site.pek, REPORT_DATA))
        report = evidence["attestation_report"]
        magic, data = bytes(report["magic"]), bytes(report["data"])

        def parse(magic: bytes = magic, flags: int = version - 1, data: bytes = data) -> object:
            return CSVReport.parse(magic, flags, data)

        name, fresh = f"csv, version {version}", loaded("csv", site.root())
        yield Subject(name, "csv", evidence, context, fresh, parse, {"SM2": 2})
    report = dcu_report(site.cek, REPORT_DATA)
    fresh = loaded("hygondcu", site.root())
    reports = {"attestation_reports": [report]}
    yield Subject(
        "hygondcu", "hygondcu", reports, context, fresh, lambda: DCUReport.parse(report), {"SM2": 1}
    )


def _nvidia(now: datetime) -> Iterator[Subject]:
    vendor, signer = SimulatedNVIDIA(), ManifestSigner()
    report = Report(nonce=REPORT_DATA[:32]).signed_by(vendor.device)
    evidence = nvidia_evidence(report, vendor.chain())
    root = vendor.root.pem + signer.root.pem
    manifests = {name: (body, {}) for name, body in signer.documents().items()}

    def parse() -> object:
        return parse_report(parse_devices(evidence)[0].report)

    for name, served, dates in (
        ("nvidia, alone", {}, "enforce"),
        ("nvidia, manifests", manifests, "claim"),
    ):
        options = {"manifest_dates": dates}
        context = Context(now, Documents(now, served), options)
        fresh = loaded("nvidia", root)
        yield Subject(name, "nvidia", evidence, context, fresh, parse, {"P-384": 1})


def _dpu(now: datetime) -> Subject:
    dpu = SimulatedDPU(alias_plan=replace(ALIAS_PLAN, not_before=now - timedelta(minutes=5)))
    path = _folder() / "root.pem"
    path.write_bytes(dpu.root.pem)
    context = Context(now, Documents(now, {}), {"root_ca_cert_path": str(path)})
    evidence = dpu.evidence(REPORT_DATA.ljust(64, b"\0"))

    def parse() -> object:
        return [parse_certificate(each) for each in (dpu.alias.der, dpu.device.der)]

    return Subject(
        "nvidia-dpu", "nvidia-dpu", evidence, context, loaded("nvidia-dpu"), parse, {"P-384": 3}
    )


def _se(now: datetime) -> Subject:
    machine = SimulatedZ(_folder())
    # The certificates of the simulated machine have dates of their own.
    options = machine.options(check_host_keys="insecure_skip")
    source = Documents(now, {})
    fresh = loaded("se")
    challenger = fresh()
    assert isinstance(challenger, Challenger), "Secure Execution has challenges of its own"
    asked = challenger.challenge("", Context(now, source, options))
    evidence = Firmware(machine.host_key).attest(asked, REPORT_DATA.ljust(64, b"\0"))
    context = Context(now, source, options, asked)
    return Subject(
        "se",
        "se",
        evidence,
        context,
        fresh,
        lambda: parse_evidence(evidence),
        {"RSA-2048 opening": 2},
    )


def _folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="vouchgate-bench-"))
