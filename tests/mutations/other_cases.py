"""CCA, CSV, DCU, SE, TPM and NVIDIA's devices, genuine, synthetic and simulated."""

from __future__ import annotations

import base64
import hashlib
import json
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path as Folder
from typing import Any

from fakes import NOON
from mutations.leaves import Path, Verify, integer_leaves, leaf, number
from mutations.sweep import Case, Part
from paths import VECTORS
from simulated.cca import SimulatedCCA
from simulated.collateral import VendorCollateral
from simulated.dpu import SimulatedDPU
from simulated.hygon import SERIAL, Site, dcu_report, v1_report, v2_report
from simulated.nras import SimulatedNRAS
from simulated.nvidia import NONCE, Report, SimulatedNVIDIA
from simulated.nvidia import evidence as nvidia_evidence
from simulated.nvidia_manifests import DRIVER_NAME, ManifestSigner, served
from simulated.se import Firmware, SimulatedZ

from app.attestation.collateral.nras import NRAS
from app.attestation.evidence import Binding, Context, UnverifiedEvidence, Verifier
from app.attestation.formats.nvidia_certificates import pem_certificates
from app.attestation.verifiers import cca, nvidia_dpu, se, tpm
from app.attestation.verifiers.csv import CSVVerifier
from app.attestation.verifiers.hygondcu import HygonDCUVerifier
from app.attestation.verifiers.nvidia import NVIDIAVerifier
from app.lab.vtpm import QuotePlan, registers, spki, tpm_evidence

_SM2, _P384, _CHAIN_OF_5 = 20.0, 1.5, 6.0
_BOUND = b"bound"
_SYNTHETIC = b"synthetic-report-data"
_NONCE = bytes.fromhex("931d8dd0add203ac3d8b4fbde75e115278eefcdceac5b87671a748f32364dfcb")
_CSV_SIGNED = {1: (range(192), range(192, 336)), 2: (range(1024), range(1024, 1168))}


def cases() -> Iterator[Case]:
    """All of them."""
    yield Case("tpm", "genuine", 0.1, _genuine_tpm)
    yield Case("tpm", "simulated", 0.1, _simulated_tpm)
    yield Case("cca", "published token", 1.7, _published_token)
    yield Case("cca", "simulated", 1.7, _simulated_token)
    for version in (1, 2):
        yield Case("csv", f"simulated, version {version}", _SM2, partial(_csv, version))
        yield Case("csv", f"synthetic, version {version}", _SM2, partial(_synthetic_csv, version))
    yield Case("hygondcu", "simulated", _SM2, _dcu)
    yield Case("hygondcu", "synthetic", _SM2, _synthetic_dcu)
    yield Case("se", "simulated", 1.6, _se)
    yield Case("nvidia", "genuine H100", _CHAIN_OF_5, _genuine_hopper)
    yield Case("nvidia", "simulated", _CHAIN_OF_5, _simulated_device)
    yield Case("nvidia", "manifest of a driver", _CHAIN_OF_5, _manifest)
    yield Case("nvidia", "tokens of NVIDIA's service", _P384, _service)
    yield Case("nvidia-dpu", "synthetic", _P384, _dpu)
    yield Case("nvidia-dpu", "simulated", _P384, _simulated_dpu)


def _verifying(
    verifier: Verifier,
    binding: Binding,
    options: dict[str, Any] | None = None,
    documents: dict[str, bytes] | None = None,
    now: Any = NOON,
) -> Verify:
    context = Context(now, VendorCollateral(documents or {}), options or {})
    return lambda body: verifier.verify(UnverifiedEvidence(verifier.tee, body), binding, context)


def _json(*path: str) -> Any:
    return json.loads(VECTORS.joinpath(*path).read_text("utf-8"))


# --- TPM ---------------------------------------------------------------------------------------


def _genuine_tpm() -> list[Part]:
    evidence = _json("tpm", "tpm_evidence.json")
    key = base64.b64decode(evidence["ak_public"])
    return _tpm(evidence, key, Binding(None))


def _simulated_tpm() -> list[Part]:
    plan = QuotePlan(bytes(range(32)), registers(b"init data".ljust(32, b"\0")))
    return _tpm(tpm_evidence(plan), spki(), Binding(bytes(range(32))))


def _tpm(evidence: Any, key: bytes, binding: Binding) -> list[Part]:
    options = {"trusted_aks": [hashlib.sha256(key).hexdigest()]}
    verify = _verifying(tpm.VERIFIER, binding, options)
    parts = [leaf(evidence, ("ak_public",), "base64", verify)]
    parts += [
        leaf(evidence, ("tpm_quote", name), "base64", verify) for name in ("message", "signature")
    ]
    pcrs = range(len(evidence["tpm_quote"]["pcrs"]))
    return parts + [leaf(evidence, ("tpm_quote", "pcrs", each), "hex", verify) for each in pcrs]


# --- CCA ---------------------------------------------------------------------------------------


def _published_token() -> list[Part]:
    folder = VECTORS / "cca"
    options = {
        "trust_anchors_file": str(folder / "tastore.json"),
        "reference_values_file": str(folder / "rvstore.json"),
    }
    expected = _json("cca", "cca-example-token.claims.json")
    binding = Binding(bytes.fromhex(expected["report_data"]), bytes.fromhex(expected["init_data"]))
    token = (folder / "cca-example-token.cbor").read_bytes()
    return [
        leaf(
            {"token": [*token]}, ("token",), "integers", _verifying(cca.VERIFIER, binding, options)
        )
    ]


def _simulated_token() -> list[Part]:
    platform = SimulatedCCA()
    options = platform.write_files(Folder(tempfile.mkdtemp()))
    verify = _verifying(cca.VERIFIER, Binding(_BOUND), options)
    return [leaf({"token": [*platform.token()]}, ("token",), "integers", verify)]


# --- Hygon -------------------------------------------------------------------------------------


def _csv(version: int) -> list[Part]:
    site = Site()
    report = (v1_report if version == 1 else v2_report)(site.pek, _BOUND)
    evidence = site.csv_evidence(report, pair=site.pair())
    verify = _verifying(CSVVerifier().with_extra_roots(site.root()), Binding(_BOUND))
    return [*_csv_parts(evidence, version, verify), *_hygon_chain(evidence, verify)]


def _synthetic_csv(version: int) -> list[Part]:
    folder = VECTORS / "synthetic" / "csv"
    verifier = CSVVerifier().with_extra_roots((folder / "hrk.cert").read_bytes())
    documents = {"hygon/hsk_cek/synthetic0001": (folder / "hsk_cek.cert").read_bytes()}
    verify = _verifying(verifier, Binding(_SYNTHETIC), documents=documents)
    evidence = _json("synthetic", "csv", f"evidence-v{version}.json")
    found = list(_csv_parts(evidence, version, verify))
    if "hsk_cek" not in evidence["cert_chain"]:
        serial = leaf(evidence, ("serial_number",), "integers", verify)
        length = len(bytes(serial.data).rstrip(b"\0"))
        found.append(Part("serial number", serial.data, serial.attempt, (range(length),)))
    return found


def _csv_parts(evidence: Any, version: int, verify: Verify) -> Iterator[Part]:
    report = ("attestation_report",)
    yield leaf(evidence, (*report, "data"), "integers", verify, *_CSV_SIGNED[version])
    yield leaf(evidence, (*report, "magic"), "integers", verify)
    if version == 2:  # version 1 has none: its magic is zero, and nothing is read after that
        yield number(evidence, (*report, "flags"), 4, verify)


def _hygon_chain(evidence: Any, verify: Verify) -> Iterator[Part]:
    """What is signed of HSK, CEK and PEK, and the signatures that count."""
    for path in (("hsk_cek", "hsk"), ("hsk_cek", "cek"), ("pek",)):
        below = ("cert_chain", *path)
        yield from integer_leaves(evidence, (*below, "body"), _hygon_size, verify)
        first: Path = ("signature",) if path[-1] == "hsk" else ("sigs", 0, "signature")
        yield from integer_leaves(evidence, (*below, *first), _hygon_size, verify)


def _hygon_size(path: Path) -> int:
    return {"uid_size": 2, "reserved1": 2, "major": 1, "minor": 1}.get(str(path[-1]), 4)


def _dcu() -> list[Part]:
    site = Site()
    evidence = {"attestation_reports": [dcu_report(site.cek, _BOUND)]}
    documents = {f"hygon/hsk_cek/{SERIAL.lower()}": site.pair()}
    verifier = HygonDCUVerifier().with_extra_roots(site.root())
    return _dcu_parts(evidence, _verifying(verifier, Binding(_BOUND), documents=documents))


def _synthetic_dcu() -> list[Part]:
    folder = VECTORS / "synthetic" / "dcu"
    verifier = HygonDCUVerifier().with_extra_roots((folder / "hrk.cert").read_bytes())
    documents = {"hygon/hsk_cek/synthdcuchip0001": (folder / "hsk_cek.cert").read_bytes()}
    verify = _verifying(verifier, Binding(_SYNTHETIC), documents=documents)
    return _dcu_parts(_json("synthetic", "dcu", "evidence.json"), verify)


def _dcu_parts(evidence: Any, verify: Verify) -> list[Part]:
    reports = range(len(evidence["attestation_reports"]))
    paths = [("attestation_reports", index) for index in reports]
    return [part for path in paths for part in integer_leaves(evidence, path, _hygon_size, verify)]


# --- IBM Secure Execution ----------------------------------------------------------------------


def _se() -> list[Part]:
    machine = SimulatedZ(Folder(tempfile.mkdtemp()))
    options = machine.options()
    context = Context(NOON, VendorCollateral({}), options)
    challenge = se.SEVerifier().challenge("", context)
    evidence = Firmware(machine.host_key).attest(challenge, _BOUND.ljust(64, b"\0"))
    verify = _verifying(se.VERIFIER, Binding(_BOUND), options)
    return [leaf(evidence, (name,), "base64", verify) for name in evidence]


# --- NVIDIA ------------------------------------------------------------------------------------


def _genuine_hopper() -> list[Part]:
    folder = VECTORS / "nvidia"
    text = (folder / "hopperAttestationReport.txt").read_text("ascii").strip()
    chain = pem_certificates((folder / "hopper_cert_chain_case1.txt").read_bytes())
    return _device(bytes.fromhex(text), chain, _verifying(NVIDIAVerifier(), Binding(_NONCE)))


def _simulated_device() -> list[Part]:
    vendor = SimulatedNVIDIA()
    verifier = NVIDIAVerifier().with_extra_roots(vendor.root.pem)
    report = Report().signed_by(vendor.device)
    chain = tuple(each.der for each in vendor.chain())
    return _device(report, chain, _verifying(verifier, Binding(NONCE)))


def _device(report: bytes, chain: tuple[bytes, ...], verify: Verify) -> list[Part]:
    def attempt(changed: bytes, certificates: tuple[bytes, ...] = chain) -> object:
        return verify(nvidia_evidence(changed, b"".join(_pem(each) for each in certificates)))

    def with_certificate(index: int) -> Callable[[bytes], object]:
        return lambda other: attempt(report, (*chain[:index], other, *chain[index + 1 :]))

    parts = [Part("report", report, attempt)]
    return parts + [
        Part(f"certificate {index}", each, with_certificate(index))
        for index, each in enumerate(chain)
    ]


def _manifest() -> list[Part]:
    """The signed part of a reference manifest, its signature, and the certificates above it."""
    vendor, signer = SimulatedNVIDIA(), ManifestSigner()
    verifier = NVIDIAVerifier().with_extra_roots(vendor.root.pem + signer.root.pem)
    body = nvidia_evidence(Report().signed_by(vendor.device), vendor.chain())
    honest, documents = signer.manifest(), signer.documents()

    def attempt(changed: bytes) -> object:
        found = documents | {DRIVER_NAME: served(changed)}
        options = {"manifests": "require"}
        return _verifying(verifier, Binding(NONCE), options, found)(body)

    def with_certificate(old: bytes) -> Callable[[bytes], object]:
        text = base64.encodebytes(old)
        return lambda other: attempt(honest.replace(text, base64.encodebytes(other)))

    signed = range(honest.index(b"<ds:KeyInfo>"))
    parts = [Part("manifest", honest, attempt, (signed,), outage_ok=True)]
    return parts + [
        Part(f"certificate of {each.name}", each.der, with_certificate(each.der), outage_ok=True)
        for each in (signer.signer, signer.authority, signer.root)
    ]


def _service() -> list[Part]:
    """Both tokens of NVIDIA's service; what does not parse is its fault."""
    service = SimulatedNRAS()
    verifier = NVIDIAVerifier(nras=NRAS(lambda: service))
    verify = _verifying(verifier, Binding(bytes(range(48))), {"type": "Remote"})
    evidence = nvidia_evidence(b"report", b"chain")
    answer: list[Any] = []
    service.mutate = lambda honest: answer or honest

    def attempt(place: Callable[[str], list[Any]], other: bytes) -> object:
        answer[:] = place(other.decode("latin-1"))
        return verify(evidence)

    overall = service.token(service.overall)
    device = service.token(service.claims("gpu", {}))
    places: dict[str, tuple[str, Callable[[str], list[Any]]]] = {
        "token over all": (overall, lambda text: [["JWT", text], {"GPU-0": device}]),
        "token of the device": (device, lambda text: [["JWT", overall], {"GPU-0": text}]),
    }
    return [
        Part(name, text.encode(), partial(attempt, place), outage_ok=True)
        for name, (text, place) in places.items()
    ]


def _dpu() -> list[Part]:
    folder = VECTORS / "synthetic" / "dpu"
    evidence = _json("synthetic", "dpu", "evidence.json")
    at = datetime(2026, 11, 24, 0, 30, tzinfo=UTC)
    options = {"root_ca_cert_path": str(folder / "root.pem")}
    verify = _verifying(nvidia_dpu.VERIFIER, Binding(_SYNTHETIC), options, now=at)
    return _dpu_parts(evidence, verify)


def _simulated_dpu() -> list[Part]:
    dpu = SimulatedDPU()
    root = Folder(tempfile.mkdtemp()) / "root.pem"
    root.write_bytes(dpu.root.pem)
    options = {"root_ca_cert_path": str(root)}
    verify = _verifying(nvidia_dpu.VERIFIER, Binding(_BOUND), options)
    return _dpu_parts(dpu.evidence(_BOUND.ljust(64, b"\0")), verify)


def _dpu_parts(evidence: Any, verify: Verify) -> list[Part]:
    names = ("alias_cert", "device_id_cert", "report_data_signature")
    return [leaf(evidence, ("devices", 0, name), "base64", verify) for name in names]


def _pem(der: bytes) -> bytes:
    text = base64.encodebytes(der)
    return b"-----BEGIN CERTIFICATE-----\n" + text + b"-----END CERTIFICATE-----\n"
