"""A site for tests of Azure's SNP machines: vectors, a simulated machine, ways to verify."""

from __future__ import annotations

import copy
import hashlib
import json
from typing import Any

from fakes import NOON
from paths import VECTORS
from simulated.collateral import MemoryCollateral, genuine_amd

from app.attestation.evidence import Binding, Context, UnverifiedEvidence
from app.attestation.verifiers.az_snp_vtpm import AzureSNPVerifier
from app.lab.vtpm import AzureSNP, QuotePlan, member, registers

FOLDER = VECTORS / "az-snp-vtpm"
CHALLENGE = b"challenge"
# The report data of each genuine evidence.
GENUINE = {
    "v0": CHALLENGE,
    "v1": CHALLENGE,
    "v2": bytes.fromhex(
        "982f5c6e45df0ed3f10b6f60b02f0c8390e281300f3805e2279c16168cd6ae9aa398f647caa2338748cd0fd9f5f819ef"
    ),
    "genoa": bytes.fromhex(
        "0218488bae25d2509232bf676f1a66a30d7372add909109b36016ef136f2938ca05475f8b46094de6b64270ea35d950f"
    ),
}
REPORT_DATA = hashlib.sha384(b"simulated").digest()
INIT_DATA = hashlib.sha256(b"init data").digest()
MACHINE = AzureSNP()
PLAN = QuotePlan(REPORT_DATA, registers(INIT_DATA))
SITE = AzureSNPVerifier().with_extra_roots(MACHINE.amd.root_pem)
GENUINE_VERIFIER = AzureSNPVerifier()
GENUINE_COLLATERAL = MemoryCollateral(genuine_amd())
BOUND = Binding(CHALLENGE)


def verify(
    evidence: Any, binding: Binding | None = None, *, genuine: bool = False, **options: Any
) -> dict[str, Any]:
    """The claims of simulated evidence, or of genuine evidence under AMD's roots."""
    verifier = GENUINE_VERIFIER if genuine else SITE
    collateral = GENUINE_COLLATERAL if genuine else MemoryCollateral(MACHINE.amd.documents())
    (claims,) = verifier.verify(
        UnverifiedEvidence("az-snp-vtpm", evidence),
        binding or Binding(REPORT_DATA, INIT_DATA),
        Context(NOON, collateral, options),
    )
    assert claims.tee_class == "cpu"
    return claims.values


def genuine_evidence(name: str) -> dict[str, Any]:
    """One of the vectors."""
    return json.loads((FOLDER / f"evidence-{name}.json").read_text("utf-8"))


def changed_bytes(evidence: dict[str, Any], path: tuple[str, ...], data: bytes) -> dict[str, Any]:
    """The same evidence of version 1 or 2 with other bytes in one place."""
    copied = copy.deepcopy(evidence)
    *parents, name = path
    place = copied
    for parent in parents:
        place = place[parent]
    place[name] = data.hex() if parents else member(data, 1)
    return copied
