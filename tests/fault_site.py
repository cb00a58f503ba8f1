"""A whole server that trusts simulated vendors, and guests of several TEEs that speak to it.

Everything goes the way of real requests: evidence is made, posted, verified, appraised; secrets are
asked for; what is found wrong is set right by proposals that are approved.
"""

from __future__ import annotations

import base64
import hashlib
import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from flask import Flask
from minting import Mint, ear_claims
from raw_guest import new_key, public_key
from servers import SAMPLE_VALUES, AdminKey, make_settings
from simulated.cca import SimulatedCCA
from simulated.dpu import ALIAS_PLAN, LAYERS, SimulatedDPU
from simulated.hygon import SERIAL, Site, dcu_report, v1_report, v2_report
from simulated.nvidia import FWID, Report, SimulatedNVIDIA
from simulated.nvidia import evidence as nvidia_evidence
from simulated.se import Firmware, SimulatedZ

from app.attestation.policies import default_policy
from app.attestation.reference_values import DraftReferenceValue
from app.blueprints.deps import EXTENSION
from app.blueprints.services import Services
from app.broker.scopes import GLOBAL_POLICY_ID
from app.broker.secrets import ResourceID
from app.console.drafts import change_of
from app.console.explanations import Explanation
from app.console.remedies import SecretRemedy
from app.factory import build
from app.lab.amd_authority import SimulatedAMD
from app.lab.intel import Platform, Publication
from app.lab.snp import ReportFields, faultless_leaf, make_chip
from app.lab.tdx import SimulatedTD, SimulatedTDX
from app.lab.vtpm import AzureSNP, QuotePlan, azure_tdx, registers, spki, tpm_evidence
from app.trust.audit import Actor
from app.trust.decisions import DecisionRecord
from app.wiring import prepare
from app.wiring.broker import default_resource_policy
from guest.wire.encoding import b64_encode, b64url_encode
from guest.wire.runtime_data import hash_algorithm_of, runtime_data, runtime_data_digest

OTHER_ISSUER = "https://other.example"
SECRET_PATH = "default/demo/secret"
AUTHOR, APPROVER = Actor("author", "policy-author"), Actor("approver", "owner")
MR_TD = hashlib.sha384(b"simulated firmware").hexdigest()
MEASUREMENT = bytes(range(48))
SNP_TCB = {"snp_bootloader": 4, "snp_tee_svn": 0, "snp_snp_svn": 24, "snp_microcode": 219}
PCR11 = hashlib.sha256(bytes([11])).hexdigest()

_TEMPORARY = tempfile.TemporaryDirectory(prefix="vouchgate-z-")

Evidence = Callable[[bytes], Any]
Answer = Callable[[str, bytes], Any]


@cache
def amd() -> SimulatedAMD:
    """The root of the simulated processors of AMD."""
    return SimulatedAMD("Milan")


@cache
def intel() -> SimulatedTDX:
    """A machine whose Intel publishes collateral that is fresh now."""
    return SimulatedTDX.at(datetime.now(UTC))


@cache
def neglected() -> SimulatedTDX:
    """Another machine of the same Intel, whose TCB info nobody has renewed."""
    return SimulatedTDX(intel().intel, Platform(fmspc=bytes.fromhex("00906ed50000")))


@cache
def nvidia() -> SimulatedNVIDIA:
    """A root and a device."""
    return SimulatedNVIDIA()


@cache
def arm() -> SimulatedCCA:
    """A platform of Arm's."""
    return SimulatedCCA()


@cache
def hygon() -> Site:
    """A processor of Hygon's, and the root above it."""
    return Site()


@cache
def dpu() -> SimulatedDPU:
    """A DPU that started a few minutes ago."""
    started = datetime.now(UTC) - timedelta(minutes=5)
    return SimulatedDPU(alias_plan=replace(ALIAS_PLAN, not_before=started))


@cache
def mainframe() -> SimulatedZ:
    """An IBM Z, and the files of its operator, in a folder that is gone at the end."""
    return SimulatedZ(Path(_TEMPORARY.name))


@dataclass(frozen=True)
class Machine:
    """A guest on a machine, and what has to be registered for it to be affirming.

    Attributes:
        evidence: for report data.
        devices: evidence of devices beside it, by TEE, for theirs.
        answer: evidence for a challenge and report data, of a TEE that has challenges of its own.
    """

    tee: str
    evidence: Evidence
    values: dict[str, Any]
    devices: dict[str, Evidence] = field(default_factory=dict)
    answer: Answer | None = None


def sample(**evidence: Any) -> Machine:
    """The sample TEE."""

    def made(report_data: bytes) -> Any:
        return {"svn": "1", "report_data": b64_encode(report_data)} | evidence

    return Machine("sample", made, dict(SAMPLE_VALUES))


def snp(tcb: dict[str, int] | None = None, **fields: Any) -> Machine:
    """A guest on SNP, on a machine of these patch levels."""
    plan = faultless_leaf("Milan")
    levels = plan.tcb | (tcb or {})
    chip = replace(make_chip(amd(), plan=replace(plan, tcb=levels)), tcb=levels)

    def made(report_data: bytes) -> Any:
        return chip.evidence(chip.report(ReportFields(report_data=report_data, **fields)))

    values = {name: [value] for name, value in SNP_TCB.items()}
    return Machine("snp", made, values | {"snp_launch_measurement": [MEASUREMENT.hex()]})


def tdx(machine: SimulatedTDX | None = None, **td: Any) -> Machine:
    """A guest on TDX."""
    made = (machine or intel()).evidence
    zeros = [bytes(48).hex()]
    values = {"mr_td": [MR_TD], "rtmr_1": zeros, "rtmr_2": zeros, "xfam": [_xfam()]}
    return Machine("tdx", lambda data: made(data, SimulatedTD(**td)), values)


def sgx() -> Machine:
    """An enclave."""

    def made(report_data: bytes) -> Any:
        return {"quote": base64.b64encode(intel().sgx_quote(report_data)).decode()}

    enclave = intel().sgx_quote(b"")[48 + 64 : 48 + 96].hex()
    return Machine("sgx", made, {"mr_enclave": [enclave]})


def az_snp(**fields: Any) -> Machine:
    """A virtual machine of Azure's on SNP."""
    azure = AzureSNP(amd())

    def made(report_data: bytes) -> Any:
        return azure.evidence(QuotePlan(report_data), **fields)

    values = {"tcb_bootloader": ["4"], "tcb_tee": ["0"], "tcb_snp": ["24"]}
    values |= {"tcb_microcode": ["219"], "snp_pcr11": [PCR11]}
    values |= {"measurement": [b64_encode(MEASUREMENT)], "smt_enabled": ["true"]}
    values |= {"tsme_enabled": ["false"], "abi_major": ["0"], "abi_minor": ["0"]}
    return Machine(
        "az-snp-vtpm", made, values | {"single_socket": ["false"], "smt_allowed": ["true"]}
    )


def az_tdx(**td: Any) -> Machine:
    """A virtual machine of Azure's on TDX."""

    def made(report_data: bytes) -> Any:
        return azure_tdx(intel(), QuotePlan(report_data), td=SimulatedTD(**td))

    return Machine("az-tdx-vtpm", made, {"mr_td": [MR_TD], "xfam": [_xfam()], "tdx_pcr11": [PCR11]})


def tpm() -> Machine:
    """A TPM alone, whose key is enrolled."""

    def made(report_data: bytes) -> Any:
        return tpm_evidence(QuotePlan(report_data[:32], registers()))

    key = base64.b64encode(spki()).decode()
    return Machine("tpm", made, {"trusted_aks": [key], "tpm_pcr11": [PCR11]})


def with_gpu() -> Machine:
    """The sample TEE with a simulated Hopper beside it, verified here."""
    device = nvidia()

    def made(report_data: bytes) -> Any:
        report = Report(nonce=report_data[:32]).signed_by(device.device)
        return nvidia_evidence(report, device.chain())

    host = sample()
    values = {
        "gpu_fwids": [FWID.hex()],
        "gpu_measurements": {"1": [bytes(48).hex()], "2": [FWID.hex()]},
        "allowed_vbios_versions": ["96.00.9f.00.01"],
        "allowed_driver_versions": ["550.1"],
    }
    return Machine("sample", host.evidence, host.values | values, {"nvidia": made})


def cca(**claims: Any) -> Machine:
    """A realm, whose claims go by label, with ``l`` before it."""

    def made(report_data: bytes) -> Any:
        return {"token": [*arm().token(realm=arm().realm(report_data, **claims))]}

    return Machine("cca", made, {})


def csv(version: int = 1) -> Machine:
    """A guest on CSV, with a report of a version."""

    def made(report_data: bytes) -> Any:
        report = (v1_report if version == 1 else v2_report)(hygon().pek, report_data)
        return hygon().csv_evidence(report)

    return Machine("csv", made, {})


def with_dcu(measure: bytes = bytes(32)) -> Machine:
    """The sample TEE with a DCU beside it."""

    def made(report_data: bytes) -> Any:
        return {"attestation_reports": [dcu_report(hygon().cek, report_data, measure=measure)]}

    host = sample()
    values = {
        "dcu_chip_ids": [SERIAL.encode().ljust(16, b"\0").hex()],
        "dcu_measures": ["00" * 32],
        "dcu_report_versions": [1],
    }
    return Machine("sample", host.evidence, host.values | values, {"hygondcu": made})


def with_dpu() -> Machine:
    """The sample TEE with a DPU beside it."""
    host = sample()
    values = {
        "dpu_device_classes": ["bluefield3"],
        "dpu_accumulated_fwids": [hashlib.sha384(b"".join(LAYERS)).hexdigest()],
        "dpu_firmware_layers_counts": [3],
    }
    devices: dict[str, Evidence] = {"nvidia-dpu": dpu().evidence}
    return Machine("sample", host.evidence, host.values | values, devices)


def se() -> Machine:
    """A guest of Secure Execution, which answers the challenge of its verifier."""

    def answered(challenge: str, report_data: bytes) -> Any:
        return Firmware(mainframe().host_key).attest(challenge, report_data)

    def unasked(report_data: bytes) -> Any:
        raise AssertionError(report_data)

    return Machine("se", unasked, {}, answer=answered)


def _publication() -> Publication:
    """What Intel says of both machines."""
    past = {"nextUpdate": "2020-01-01T00:00:00Z"}
    stale = intel().intel.publish(neglected().platform, tcb_info=past).documents
    return Publication(stale | intel().publication.documents)


def _xfam() -> str:
    return intel().quote(b"")[48 + 128 : 48 + 136].hex()


class FaultSite:
    """The server with its operators, and one guest at a time."""

    def __init__(self, folder: Path) -> None:
        AdminKey.make(folder)
        self.bundle = folder / "bundle.json"
        self.bundle.write_text(json.dumps(_publication().bundle()), encoding="utf-8")
        roots = {"amd.pem": amd().root_pem, "intel.pem": intel().intel.root_pem}
        roots |= {"nvidia.pem": nvidia().root.pem, "dpu.pem": dpu().root.pem}
        roots["hrk.cert"] = hygon().root()
        for name, content in roots.items():
            (folder / name).write_bytes(content)
        chip = {f"hygon/hsk_cek/{SERIAL.lower()}": hygon().pair()}
        for name, document in (amd().documents() | chip).items():
            path = folder / "collateral" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(document)
        self.mint, self.last_body = Mint(), dict[str, Any]()
        keys = {"keys": [self.mint.jwk()]}
        (folder / "other.json").write_text(json.dumps(keys), encoding="utf-8")
        settings = make_settings(folder, **self._parts(folder))
        prepare(settings)
        self.app: Flask = build(settings)
        self.services: Services = self.app.extensions[EXTENSION]
        self.values: dict[str, Any] = {}
        self.key = new_key()
        self.client = self.app.test_client()

    def close(self) -> None:
        """Let go of the database."""
        self.services.close()

    def reset(self, values: dict[str, Any]) -> None:
        """Default policies, one secret, and these reference values and no others."""
        with self.app.app_context():
            self._reset_policies()
            for name in self.values.keys() - values.keys():
                if self.services.reference_values.find(name) is not None:
                    self.services.reference_values.withdraw(name, AUTHOR)
            self.register(values)
            self._reset_secret()
        self.guest()

    def register(self, values: dict[str, Any]) -> None:
        """Register reference values; of a pair the second is how long it serves."""
        drafts = [DraftReferenceValue(name, value) for name, value in values.items()]
        with self.app.app_context():
            if drafts:
                self.services.reference_values.add(drafts, "tests", AUTHOR)
        self.values |= values

    def withdraw(self, name: str) -> None:
        """Take a reference value away."""
        with self.app.app_context():
            self.services.reference_values.withdraw(name, AUTHOR)

    def expire(self, name: str, value: Any) -> None:
        """Register a value, and let it expire."""
        now = datetime.now(UTC)
        draft = DraftReferenceValue(name, value, now + timedelta(milliseconds=120))
        with self.app.app_context():
            self.services.reference_values.add([draft], "tests", AUTHOR)
        while datetime.now(UTC) < now + timedelta(milliseconds=125):
            pass

    def set_policy(self, text: str, policy_id: str | None = None) -> None:
        """Set the resource policy, or the attestation policy of an id."""
        with self.app.app_context():
            if policy_id is None:
                self.services.resource_policies.set(text, AUTHOR)
            else:
                self.services.attestation_policies.set(policy_id, text, AUTHOR)

    def set_scoped_policy(self, text: str, policy_id: str) -> None:
        """Set a resource policy for a part of the resources."""
        with self.app.app_context():
            self.services.resource_policies.set(text, AUTHOR, policy_id=policy_id)

    def guest(self) -> None:
        """A new guest: another key, no session."""
        self.key, self.client = new_key(), self.app.test_client()

    def attest(self, machine: Machine) -> Any:
        """The handshake up to the token, or the refusal."""
        begun = {"version": "0.4.0", "tee": machine.tee, "extra-params": {}}
        challenge = self.client.post("/kbs/v0/auth", json=begun)
        if challenge.status_code != 200:
            return challenge
        return self.client.post(
            "/kbs/v0/attest", json=self.attestation(machine, challenge.json["nonce"])
        )

    def attestation(self, machine: Machine, nonce: str) -> dict[str, Any]:
        """The body of POST /attest."""
        key = public_key(self.key)
        of_device = runtime_data_digest(runtime_data(nonce, key, None))
        devices = {tee: made(of_device) for tee, made in machine.devices.items()}
        additional = json.dumps(devices) if devices else ""
        bound = runtime_data(nonce, key, additional)
        digest = runtime_data_digest(bound, hash_algorithm_of(machine.tee))
        made = machine.evidence(digest) if machine.answer is None else machine.answer(nonce, digest)
        return {
            "init-data": None,
            "runtime-data": {"nonce": nonce, "tee-pubkey": key},
            "tee-evidence": {
                "primary_evidence": made,
                "additional_evidence": additional,
            },
        }

    def with_policy(self, machine: Machine, policy_id: str) -> Any:
        """What a guest gets that asks the AS to be judged by other policies."""
        self.set_policy(default_policy("default_cpu"), f"{policy_id}_cpu")
        return self.with_token(self.passport(machine, policy_id).text)

    def passport(self, machine: Machine, policy_id: str = "default", **changes: Any) -> Any:
        """The answer of the AS to a new guest; changes are of the request."""
        self.guest()
        nonce = self.client.post("/challenge", json={"tee": machine.tee, "tee_params": ""}).text
        structured = runtime_data(nonce, public_key(self.key), "")
        found = machine.evidence(runtime_data_digest(structured))
        request = {
            "tee": machine.tee,
            "evidence": b64url_encode(json.dumps(found).encode()),
            "runtime_data": {"structured": structured},
            "runtime_data_hash_algorithm": "sha384",
        }
        body = {"verification_requests": [request | changes], "policy_ids": [policy_id]}
        self.last_body = body
        return self.client.post("/attestation", json=body)

    def elsewhere(self, **changes: Any) -> str:
        """A token of the other issuer for a new guest, affirming and good for five minutes."""
        self.guest()
        now = int(datetime.now(UTC).timestamp())
        times = {"iat": now, "nbf": now, "exp": now + 300, "aud": "the-kbs"}
        claims = ear_claims(public_key(self.key)) | times | {"iss": OTHER_ISSUER} | changes
        return self.mint.sign(claims)

    def with_token(self, token: str, path: str = SECRET_PATH) -> Any:
        """What this guest gets for a token."""
        headers = {"Authorization": f"Bearer {token}"}
        return self.client.get(f"/kbs/v0/resource/{path}", headers=headers)

    def fetch(self, machine: Machine, path: str = SECRET_PATH) -> Any:
        """What a new guest on a machine gets when it asks for a secret."""
        self.guest()
        attested = self.attest(machine)
        if attested.status_code != 200:
            return attested
        return self.client.get(f"/kbs/v0/resource/{path}")

    def explain(self, response: Any) -> tuple[DecisionRecord, Explanation]:
        """The decision of a response, explained."""
        with self.app.app_context():
            record = self.services.decisions.find(response.headers["Vouchgate-Decision"])
            assert record is not None
            return record, self.services.explain(record)

    def carry_out(self, why: Explanation) -> bool:
        """Do what the first way says, as operators do; whether it was theirs to do."""
        way = why.ways[0]
        with self.app.app_context():
            first = way.remedies[0]
            if isinstance(first, SecretRemedy):
                self._provide(first)
                return True
            change = change_of(way, self.services.policies)
            if change is None:
                return False
            proposed = self.services.proposals.propose(change, AUTHOR)
            self.services.proposals.approve(
                proposed.proposal_id, APPROVER, revision=proposed.revision
            )
            return True

    def _provide(self, remedy: SecretRemedy) -> None:
        path = ResourceID.of(remedy.path.split("/"))
        if remedy.action == "restore":
            self.services.custody.restore(path, remedy.version, AUTHOR)
        else:
            self.services.custody.write(path, b"written late", AUTHOR)

    def _reset_policies(self) -> None:
        for policy_id in ("default_cpu", "default_gpu", "default_dcu", "default_nvidia-dpu"):
            text = default_policy(policy_id)
            if self.services.attestation_policies.get(policy_id).text != text:
                self.services.attestation_policies.set(policy_id, text, AUTHOR)
        policies = self.services.resource_policies
        for policy_id in policies.ids():
            if policy_id != GLOBAL_POLICY_ID:
                policies.take_away(policy_id, AUTHOR)
        if policies.get().text != default_resource_policy():
            policies.set(default_resource_policy(), AUTHOR)

    def _reset_secret(self) -> None:
        path = ResourceID.of(SECRET_PATH.split("/"))
        if not any(each.active for each in self.services.custody.versions(path)):
            self.services.custody.write(path, b"the secret", AUTHOR)

    def _parts(self, folder: Path) -> dict[str, Any]:
        roots = dict.fromkeys(("snp", "az-snp-vtpm"), "amd.pem")
        roots |= dict.fromkeys(("tdx", "sgx", "az-tdx-vtpm"), "intel.pem") | {
            "nvidia": "nvidia.pem"
        }
        roots |= dict.fromkeys(("csv", "hygondcu"), "hrk.cert")
        (folder / "cca").mkdir()
        fingerprint = hashlib.sha256(spki()).hexdigest()
        return {
            "attestation": {
                "verifiers": ["sample", "tpm", "cca", "se", "nvidia-dpu", *roots],
                "insecure_allow_sample": True,
                "insecure_extra_roots": {tee: str(folder / name) for tee, name in roots.items()},
                "verifier_options": {
                    "tpm": {"trusted_aks": [fingerprint]},
                    "snp": {"revocation": "if-available"},
                    "az-snp-vtpm": {"revocation": "if-available"},
                    "nvidia": {"revocation": "if-available"},
                    "nvidia-dpu": {"root_ca_cert_path": str(folder / "dpu.pem")},
                    "cca": arm().write_files(folder / "cca"),
                    # The certificates of the simulated machine have dates of their own.
                    "se": mainframe().options(check_host_keys="insecure_skip"),
                },
            },
            "broker": {
                "issuers": [
                    {
                        "name": "other",
                        "issuer": OTHER_ISSUER,
                        "jwks_file": str(folder / "other.json"),
                        "audience": "the-kbs",
                        "leeway_seconds": 0,
                    }
                ]
            },
            "collateral": {
                "sources": ["cache", f"offline:{folder / 'collateral'}"],
                "intel_bundle": str(self.bundle),
            },
        }
