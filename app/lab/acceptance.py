"""The acceptance table: each fault, and what a server makes of it.

It runs against a whole server: the lab's services on loopback, an Attestation Service that trusts
the lab alone beside the vendors, its default policies, and reference values for the lab's machines.
"""

from __future__ import annotations

import json
import secrets
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app.attestation.collateral.amd import AMDCatalogue
from app.attestation.collateral.intel import IntelCatalogue
from app.blueprints.services import Services
from app.config import parse_settings
from app.lab.faults import Fault
from app.lab.tdx import SimulatedTD, sgx_report
from app.lab.vendor import TEES, Lab
from app.lab.vendor_service import Habits, VendorService
from app.lab.vtpm import registers
from app.trust.audit import Actor
from app.trust.clock import SystemClock
from app.trust.errors import DomainError
from app.trust.json_types import JSONObject
from app.wiring import prepare
from app.wiring.opening import services_on
from guest.wire.appraisals import AttestationEvaluation, VerificationRequest
from guest.wire.encoding import b64_encode, b64url_decode
from guest.wire.runtime_data import runtime_data, runtime_data_digest

ACCEPTED = "accepted"

_LAB = Actor("lab", "owner")
_TEE_KEY: JSONObject = {"kty": "EC", "crv": "P-256", "alg": "ECDH-ES+A256KW", "x": "eA", "y": "eQ"}
_OTHER_KEY = _TEE_KEY | {"x": "eg"}
_JUDGED = ("hardware", "executables", "configuration")

# The trust vector: hardware, executables, configuration (AR4SI); see default_cpu.rego.
Vector = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Expected:
    """What becomes of evidence with a fault.

    Attributes:
        code: ``accepted``, or the reason code of the refusal.
        vector: of accepted evidence.
    """

    code: str
    vector: Vector | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """One line of the table."""

    tee: str
    fault: Fault
    expected: Expected


def _accepted(hardware: int, executables: int, configuration: int) -> Expected:
    return Expected(ACCEPTED, (hardware, executables, configuration))


_REFUSALS = {
    Fault.REPLAY: "nonce-used",
    Fault.OTHER_KEY: "binding-mismatch",
    Fault.FOREIGN_ROOT: "root-untrusted",
    Fault.REVOKED: "certificate-revoked",
    Fault.EXPIRED_COLLATERAL: "collateral-stale",
    Fault.THROTTLED: "collateral-unavailable",
}
# What differs from TEE to TEE, or is accepted and left to policy.
_OF_TEES: Mapping[str, Mapping[Fault, Expected]] = {
    "snp": {
        Fault.NONE: _accepted(2, 3, 2),
        Fault.DEBUG: _accepted(2, 3, 36),
        Fault.OLD_TCB: _accepted(97, 3, 2),
        Fault.WRONG_MEASUREMENT: _accepted(2, 33, 2),
        Fault.FORGED: Expected("signature-invalid"),
        Fault.LESS_PRIVILEGED: Expected("privilege-level"),
        Fault.CLOCK_SKEW: Expected("certificate-expired"),
    },
    "tdx": {
        Fault.NONE: _accepted(2, 4, 2),
        Fault.DEBUG: _accepted(2, 4, 36),
        Fault.OLD_TCB: _accepted(97, 4, 2),
        Fault.WRONG_MEASUREMENT: _accepted(97, 4, 2),
        Fault.FORGED: Expected("signature-invalid"),
        Fault.CLOCK_SKEW: Expected("collateral-stale"),
    },
    "sgx": {
        Fault.NONE: _accepted(2, 3, 2),
        Fault.OLD_TCB: _accepted(97, 3, 2),
        Fault.FORGED: Expected("signature-invalid"),
        Fault.CLOCK_SKEW: Expected("collateral-stale"),
    },
    "az-snp-vtpm": {
        Fault.NONE: _accepted(2, 3, 2),
        Fault.DEBUG: _accepted(2, 3, 36),
        Fault.WRONG_MEASUREMENT: _accepted(2, 33, 2),
        Fault.FORGED: Expected("register-mismatch"),
        Fault.LESS_PRIVILEGED: Expected("privilege-level"),
        # The chain of the VCEK comes with a document of the vendor, which names its own root.
        Fault.FOREIGN_ROOT: Expected("chain-invalid"),
    },
    "az-tdx-vtpm": {
        Fault.NONE: _accepted(2, 3, 2),
        Fault.DEBUG: _accepted(2, 3, 36),
        Fault.OLD_TCB: _accepted(97, 3, 2),
        Fault.WRONG_MEASUREMENT: _accepted(2, 33, 2),
        Fault.FORGED: Expected("register-mismatch"),
        Fault.CLOCK_SKEW: Expected("collateral-stale"),
    },
}


def table() -> list[Case]:
    """Every line, by TEE."""
    return [
        Case(tee, fault, expected)
        for tee in TEES
        for fault, expected in (
            {fault: Expected(code) for fault, code in _REFUSALS.items()} | dict(_OF_TEES[tee])
        ).items()
    ]


@dataclass
class Bench:
    """A server that trusts the lab, and the lab's services."""

    lab: Lab
    service: VendorService
    services: Services = field(repr=False)

    def run(self, case: Case) -> Expected:
        """What becomes of the case."""
        self.service.documents = self.lab.documents(case.fault)
        throttled = case.fault is Fault.THROTTLED
        self.service.habits = Habits(429, "1") if throttled else Habits()
        self._forget()
        challenge = self.services.attestation.issue_challenge(case.tee, "").nonce
        request = request_for(self.lab, case.tee, challenge, case.fault)
        if case.fault is Fault.REPLAY:
            self._attest(request)
        return self._attest(request)

    def _forget(self) -> None:
        """Nothing that an earlier case left behind is used."""
        for name in self.service.documents:
            self.services.collateral.sources.forget(name)
        self.services.collateral.sources.rest_is_over()

    def _attest(self, request: VerificationRequest) -> Expected:
        evaluation = AttestationEvaluation((request,), ("default",))
        try:
            token = self.services.attestation.attest(evaluation).token
        except DomainError as error:
            return Expected(error.code)
        claims = json.loads(b64url_decode(token.split(".")[1]))
        vector = claims["submods"]["cpu0"]["ear.trustworthiness-vector"]
        hardware, executables, configuration = (vector[name] for name in _JUDGED)
        return Expected(ACCEPTED, (hardware, executables, configuration))


def request_for(lab: Lab, tee: str, challenge: str, fault: Fault) -> VerificationRequest:
    """Evidence of the lab that is bound to a challenge."""
    bound = runtime_data(challenge, _TEE_KEY, "")
    told = runtime_data(challenge, _OTHER_KEY, "") if fault is Fault.OTHER_KEY else bound
    evidence = lab.evidence(tee, runtime_data_digest(bound), fault)
    return VerificationRequest(tee, evidence, told)


@contextmanager
def bench() -> Iterator[Bench]:
    """A bench in a folder that is gone afterwards."""
    lab = Lab.open(SystemClock().now().replace(microsecond=0))
    service = VendorService(lab.documents())
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="vouchgate-lab-"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        address = stack.enter_context(service.listening(AMDCatalogue, IntelCatalogue))
        (folder / "roots.pem").write_bytes(lab.roots_pem)
        settings = parse_settings(_settings(folder, address), {})
        prepare(settings)
        services = stack.enter_context(services_on(settings))
        services.reference_values.register(_reference_values(), _LAB)
        yield Bench(lab, service, services)


def _settings(folder: Path, address: str) -> dict[str, Any]:
    key = folder / "key"
    key.write_text(secrets.token_hex(32))
    return {
        "roles": ["as"],
        "database": {"url": f"sqlite:///{folder}/vouchgate.db"},
        "sealing": {"keys": [f"file:{key}"]},
        "collateral": {"sources": ["vendor"], "amd_url": address, "intel_url": address},
        "attestation": {
            "verifiers": list(TEES),
            "insecure_trust_lab": str(folder / "roots.pem"),
        },
        "log": {"level": "error"},
    }


def reference_values() -> JSONObject:
    """What makes the lab's faultless machines affirming under the default policies."""
    td, pcr11 = SimulatedTD(), registers()[11].hex()
    body = td.report(b"")
    enclave = sgx_report(b"")
    tcb = {"bootloader": 4, "tee_svn": 0, "snp_svn": 24, "microcode": 219}
    return {
        **{f"snp_{name}": [level] for name, level in tcb.items()},
        "snp_launch_measurement": [bytes(range(48)).hex()],
        "snp_smt_enabled": True,
        "snp_tsme_enabled": False,
        "snp_guest_abi_major": 0,
        "snp_guest_abi_minor": 0,
        "snp_single_socket": False,
        "snp_smt_allowed": True,
        "mr_td": [td.mr_td.hex()],
        "xfam": [body[128:136].hex()],
        "rtmr_1": [bytes(48).hex()],
        "rtmr_2": [bytes(48).hex()],
        "mr_enclave": [enclave[64:96].hex()],
        "tcb_bootloader": ["4"],
        "tcb_tee": ["0"],
        "tcb_snp": ["24"],
        "tcb_microcode": ["219"],
        "measurement": [b64_encode(bytes(range(48)))],
        "snp_pcr11": [pcr11],
        "tdx_pcr11": [pcr11],
        "smt_enabled": ["true"],
        "tsme_enabled": ["false"],
        "abi_major": ["0"],
        "abi_minor": ["0"],
        "single_socket": ["false"],
        "smt_allowed": ["true"],
    }


def _reference_values() -> JSONObject:
    payload = b64_encode(json.dumps(reference_values()).encode())
    return {"version": "0.1.0", "type": "sample", "payload": payload}


def report(outcomes: list[tuple[Case, Expected]]) -> str:
    """The table as text: expected and found, and whether they agree."""
    lines = [f"{'TEE':<13}{'fault':<20}{'expected':<38}found"]
    for case, found in outcomes:
        mark = "" if found == case.expected else "  <-- differs"
        expected = _words(case.expected)
        lines.append(f"{case.tee:<13}{case.fault:<20}{expected:<38}{_words(found)}{mark}")
    wrong = sum(found != case.expected for case, found in outcomes)
    return "\n".join([*lines, f"{len(outcomes)} cases, {wrong} of them not as expected"])


def _words(outcome: Expected) -> str:
    if outcome.vector is None:
        return outcome.code
    judged = ", ".join(str(each) for each in outcome.vector)
    return f"{outcome.code}, vector {judged}"
