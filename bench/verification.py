"""What verifying evidence costs, TEE by TEE: parse, chain, signatures, policy, and the floor.

The evidence is the lab's and that of the tests' simulated devices. ``cold`` is a verifier that has
seen nothing; ``warm`` one that knows the chain and the vendor's documents; the difference is what
its caches save. ``floor`` is the sum of the operations under keys that a warm verification cannot
avoid.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import structlog
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256, SHA384
from simulated.hygon import Key
from subjects import Subject, subjects

from app.attestation.appraisal import TRUST_RULE
from app.attestation.evidence import Claims, UnverifiedEvidence, Verifier
from app.attestation.formats.sm2 import SM2PublicKey, SM2Signature, verify_signature
from app.attestation.policies import default_policy
from app.trust.policy_engine import PolicyText
from app.trust.regorus_engine import RegorusEngine

ROUNDS, COLD_ROUNDS = 200, 20
# A round of SM2 is some thirty times as long as the others.
_LONG_MILLISECONDS = 10.0


def milliseconds(work: Callable[[], object], rounds: int = ROUNDS) -> float:
    """How long one run takes, the median of some."""
    taken = []
    for _ in range(rounds):
        begun = time.perf_counter()
        work()
        taken.append(time.perf_counter() - begun)
        if taken[-1] * 1000 > _LONG_MILLISECONDS and len(taken) >= COLD_ROUNDS:
            break
    return sorted(taken)[len(taken) // 2] * 1000


def primitives() -> dict[str, float]:
    """Milliseconds of one operation under each kind of key."""
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
    sealed = public.encrypt(b"k" * 64, padding.PKCS1v15())
    found["RSA-2048 opening"] = milliseconds(lambda: own.decrypt(sealed, padding.PKCS1v15()))
    found["SM2"] = milliseconds(_one_sm2(message), COLD_ROUNDS)
    return found


def _one_sm2(message: bytes) -> Callable[[], object]:
    key = Key("bench", 0x1002)
    public = SM2PublicKey(*key.point, key.user_id)
    signature = SM2Signature(*key.sign(message))
    return lambda: verify_signature(public, message, signature)


class Lookup:
    """The port ``ReferenceValueLookup``: nothing is registered."""

    def __call__(self, name: str) -> None:
        """See the port."""


class Case:
    """Evidence of one TEE, and a verifier that knows it."""

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.evidence = UnverifiedEvidence(subject.tee, subject.evidence)
        self.ready = subject.fresh()
        self.found, *_ = self.verify(self.ready)

    def verify(self, by: Verifier) -> list[Claims]:
        """The claims."""
        return by.verify(self.evidence, self.subject.binding, self.subject.context)

    def claims(self) -> dict[str, Any]:
        """What a policy sees."""
        return {self.subject.tee: self.found.values}

    def warm(self) -> float:
        """Milliseconds, with chains and documents known."""
        return milliseconds(lambda: self.verify(self.ready))

    def cold(self) -> float:
        """Milliseconds of a verifier that has seen nothing; making it is not counted."""
        taken = []
        for _ in range(COLD_ROUNDS):
            fresh = self.subject.fresh()
            begun = time.perf_counter()
            self.verify(fresh)
            taken.append(time.perf_counter() - begun)
        return sorted(taken)[len(taken) // 2] * 1000

    def judged(self, engine: RegorusEngine) -> float:
        """Milliseconds of the default policy for its class."""
        name = f"default_{self.found.tee_class}"
        policy = PolicyText.of(name, default_policy(name))
        return milliseconds(
            lambda: engine.evaluate(policy, (TRUST_RULE,), self.claims(), lookup=Lookup())
        )


def main() -> None:
    """Measure, and print a line for each TEE; those that are named, or all."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    floor, engine = primitives(), RegorusEngine()
    print("milliseconds, median; chain is cold less warm, other is warm less parse and floor")
    heads = ("parse", "chain", "floor", "other", "verify warm", "verify cold", "policy")
    print(f"{'TEE':<22}" + "".join(f"{head:>13}" for head in heads))
    for subject in subjects(datetime.now(UTC).replace(microsecond=0)):
        if sys.argv[1:] and subject.tee not in sys.argv[1:]:
            continue
        case = Case(subject)
        warm, cold, judged = case.warm(), case.cold(), case.judged(engine)
        parsed = milliseconds(subject.parse)
        signed = sum(count * floor[kind] for kind, count in subject.operations.items())
        row = (parsed, cold - warm, signed, warm - parsed - signed, warm, cold, judged)
        print(f"{subject.name:<22}" + "".join(f"{value:>13.3f}" for value in row))
    kinds = ", ".join(f"{kind} {value:.3f}" for kind, value in floor.items())
    print(f"one operation: {kinds}")


if __name__ == "__main__":
    main()
