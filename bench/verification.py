"""What verifying evidence costs, TEE by TEE: parse, chain, signatures, policy, and the floor.

The evidence is the lab's. ``cold`` is a verifier that has seen nothing; ``warm`` one that knows the
chain and the vendor's documents; the difference is what its caches save. ``floor`` is the sum of
the signatures that a warm verification cannot avoid.
"""

from __future__ import annotations

import base64
import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import structlog
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256, SHA384

from app.attestation.appraisal import TRUST_RULE
from app.attestation.collateral.ports import Collateral
from app.attestation.evidence import Binding, Claims, Context, UnverifiedEvidence, Verifier
from app.attestation.formats.azure_vtpm import AzureEvidence, AzureNames
from app.attestation.formats.dcap_quote import parse_sgx_quote, parse_td_quote
from app.attestation.formats.hcl_report import HardwareReport
from app.attestation.formats.snp_report import SNPReport
from app.attestation.formats.snp_report_json import encode_report
from app.attestation.policies import default_policy
from app.attestation.verifiers import load_verifiers
from app.lab.vendor import TEES, Lab
from app.trust.json_types import JSONValue
from app.trust.policy_engine import PolicyText
from app.trust.regorus_engine import RegorusEngine

REPORT_DATA = bytes(range(48))
ROUNDS, COLD_ROUNDS = 200, 20
# Signatures of a warm verification.
SIGNATURES = {
    "snp": {"P-384": 1},
    "tdx": {"P-256": 2},
    "sgx": {"P-256": 2},
    "az-snp-vtpm": {"P-384": 1, "RSA-2048": 1},
    "az-tdx-vtpm": {"P-256": 2, "RSA-2048": 1},
}


class Documents:
    """The port ``CollateralSource`` with everything that the lab publishes."""

    def __init__(self, lab: Lab) -> None:
        self._now = lab.now
        self._documents = lab.documents()

    def get(self, name: str) -> Collateral:
        """See the port."""
        body, headers = self._documents[name]
        return Collateral(name, body, dict(headers), self._now, "lab")


def milliseconds(work: Callable[[], object], rounds: int = ROUNDS) -> float:
    """How long one run takes, the median of some."""
    taken = []
    for _ in range(rounds):
        begun = time.perf_counter()
        work()
        taken.append(time.perf_counter() - begun)
    return sorted(taken)[len(taken) // 2] * 1000


def primitives() -> dict[str, float]:
    """Milliseconds of one verification under each kind of key."""
    message, found = b"m" * 672, {}
    for name, curve, digest in (
        ("P-256", ec.SECP256R1(), SHA256()),
        ("P-384", ec.SECP384R1(), SHA384()),
    ):
        key = ec.generate_private_key(curve)
        signature, public = key.sign(message, ec.ECDSA(digest)), key.public_key()
        found[name] = milliseconds(
            lambda s=signature, p=public, d=digest: p.verify(s, message, ec.ECDSA(d))
        )
    own = rsa.generate_private_key(65537, 2048)
    signature, public = own.sign(message, padding.PKCS1v15(), SHA256()), own.public_key()
    found["RSA-2048"] = milliseconds(
        lambda: public.verify(signature, message, padding.PKCS1v15(), SHA256())
    )
    return found


def parsers(evidence: dict[str, Any]) -> dict[str, Callable[[], object]]:
    """What reads the evidence of each TEE."""
    snp, tdx, sgx = (evidence[tee] for tee in ("snp", "tdx", "sgx"))
    azure_snp, azure_tdx = evidence["az-snp-vtpm"], evidence["az-tdx-vtpm"]
    names = AzureNames(quote="quote", report="report")
    return {
        "snp": lambda: SNPReport.parse(encode_report(snp["attestation_report"])),
        "tdx": lambda: parse_td_quote(base64.b64decode(tdx["quote"])),
        "sgx": lambda: parse_sgx_quote(base64.b64decode(sgx["quote"])),
        "az-snp-vtpm": lambda: AzureEvidence.parse(azure_snp, HardwareReport.SNP, names),
        "az-tdx-vtpm": lambda: AzureEvidence.parse(azure_tdx, HardwareReport.TDX, AzureNames()),
    }


def verifier(tee: str, lab: Lab) -> Verifier:
    """One that trusts the lab and has seen nothing."""
    (loaded,) = load_verifiers([tee], allow_insecure=False).values()
    root = lab.amd["Milan"].root_pem if "snp" in tee else lab.intel.root_pem
    return loaded.with_extra_roots(root)  # type: ignore[attr-defined]  # all of these have roots


class Lookup:
    """The port ``ReferenceValueLookup``: nothing is registered."""

    def __call__(self, name: str) -> None:
        """See the port."""


class Case:
    """Evidence of one TEE, and a verifier that knows it."""

    def __init__(self, tee: str, evidence: JSONValue, lab: Lab, context: Context) -> None:
        self.tee, self.lab, self.context = tee, lab, context
        self.evidence = UnverifiedEvidence(tee, evidence)
        self.ready = verifier(tee, lab)
        (self.found,) = self.verify(self.ready)

    def verify(self, by: Verifier) -> list[Claims]:
        """The claims."""
        return by.verify(self.evidence, Binding(REPORT_DATA), self.context)

    def claims(self) -> dict[str, Any]:
        """What a policy sees."""
        return {self.tee: self.found.values}

    def warm(self) -> float:
        """Milliseconds, with chains and documents known."""
        return milliseconds(lambda: self.verify(self.ready))

    def cold(self) -> float:
        """Milliseconds of a verifier that has seen nothing; making it is not counted."""
        taken = []
        for _ in range(COLD_ROUNDS):
            fresh = verifier(self.tee, self.lab)
            begun = time.perf_counter()
            self.verify(fresh)
            taken.append(time.perf_counter() - begun)
        return sorted(taken)[len(taken) // 2] * 1000


def main() -> None:
    """Measure, and print a line for each TEE."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    lab = Lab.open(datetime.now(UTC).replace(microsecond=0))
    documents, floor = Documents(lab), primitives()
    context = Context(lab.now, documents)
    evidence = {tee: lab.evidence(tee, REPORT_DATA) for tee in TEES}
    parse = parsers(evidence)
    engine = RegorusEngine()
    policy = PolicyText.of("default_cpu", default_policy("default_cpu"))
    print("milliseconds, median; chain is cold less warm")
    heads = ("parse", "chain", "signature", "other", "verify warm", "verify cold", "policy")
    print(f"{'TEE':<13}" + "".join(f"{head:>13}" for head in heads))
    for tee in TEES:
        case = Case(tee, evidence[tee], lab, context)
        warm, cold = case.warm(), case.cold()
        judged = milliseconds(
            lambda c=case: engine.evaluate(policy, (TRUST_RULE,), c.claims(), lookup=Lookup())
        )
        parsed = milliseconds(parse[tee])
        signed = sum(count * floor[kind] for kind, count in SIGNATURES[tee].items())
        row = (parsed, cold - warm, signed, warm - parsed - signed, warm, cold, judged)
        print(f"{tee:<13}" + "".join(f"{value:>13.3f}" for value in row))
    kinds = ", ".join(f"{kind} {value:.3f}" for kind, value in floor.items())
    print(f"floor of one verification: {kinds}")


if __name__ == "__main__":
    main()
