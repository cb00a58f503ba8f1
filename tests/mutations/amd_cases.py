"""SNP evidence, bare and in Azure's virtual machines, genuine and simulated."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

from fakes import NOON
from mutations.leaves import Path, Verify, integer_leaves, leaf
from mutations.sweep import Case, Part
from paths import VECTORS
from simulated.azure_snp_site import GENUINE, MACHINE, PLAN, genuine_evidence
from simulated.azure_snp_site import verify as verify_azure
from simulated.collateral import MemoryCollateral, genuine_amd
from simulated.snp_site import Site, verify

from app.attestation.evidence import Binding, Context, UnverifiedEvidence
from app.attestation.verifiers.snp import SNPVerifier

_COST = 1.6
_WORDS = {"policy": 8, "plat_info": 8, "launch_mit_vector": 8, "current_mit_vector": 8}
_BYTES = {"cpuid_fam_id", "cpuid_mod_id", "cpuid_step"}
# Where the report of the hardware stands in an HCL report, and what of it is signed.
_HARDWARE = 0x20
_SIGNED, _R, _S, _NUMBER = 0x2A0, 0x2A0, 0x2E8, 72


def cases() -> Iterator[Case]:
    """All of them."""
    yield Case("snp", "genuine Genoa, version 3", _COST, _genuine)
    for generation in ("Milan", "Genoa", "Turin"):
        for version in (3, 4, 5):
            name = f"simulated {generation}, version {version}"
            yield Case("snp", name, _COST, partial(_simulated, generation, "VCEK", version))
    yield Case("snp", "simulated Genoa, VLEK", _COST, partial(_simulated, "Genoa", "VLEK", 3))
    for name in GENUINE:
        yield Case("az-snp-vtpm", f"genuine {name}", _COST, partial(_genuine_azure, name))
    yield Case("az-snp-vtpm", "simulated, version 2", _COST, _simulated_azure)
    yield Case("snp", "revocation list", 0.6, _revocation_list)


def _genuine() -> list[Part]:
    evidence = json.loads((VECTORS / "snp" / "e2e-evidence-genoa-v3.json").read_text("utf-8"))
    verifier, collateral = SNPVerifier(), MemoryCollateral(genuine_amd())
    return _parts(evidence, partial(verify, verifier=verifier, collateral=collateral))


def _simulated(generation: str, kind: str, version: int) -> list[Part]:
    site = Site(generation, kind)
    evidence = site.evidence(version=version, report_data=b"bound")
    authority = site.amd.ask if kind == "VCEK" else site.amd.asvk
    for name, each in (("ASK", authority), ("ARK", site.amd.ark)):
        evidence["cert_chain"].append({"cert_type": name, "data": [*each.der]})
    return _parts(evidence, partial(site.verify, binding=Binding(b"bound")))


def _parts(evidence: Any, verify: Verify) -> list[Part]:
    certificates = [
        leaf(evidence, ("cert_chain", index, "data"), "integers", verify, name=entry["cert_type"])
        for index, entry in enumerate(evidence["cert_chain"])
    ]
    return [*integer_leaves(evidence, ("attestation_report",), _size, verify), *certificates]


def _size(path: Path) -> int:
    name = str(path[-1])
    if name in _BYTES or len(path) > 2:
        return 1
    return _WORDS.get(name, 4)


def _genuine_azure(name: str) -> list[Part]:
    binding = Binding(GENUINE[name])
    return _azure(genuine_evidence(name), lambda body: verify_azure(body, binding, genuine=True))


def _simulated_azure() -> list[Part]:
    return _azure(MACHINE.evidence(PLAN), verify_azure)


def _azure(evidence: Any, verify: Verify) -> list[Part]:
    old = "version" not in evidence
    texts, bare = ("integers", "integers") if old else ("hex", "base64url")
    quote, report = ("quote", "report") if old else ("tpm_quote", "hcl_report")
    parts = [
        leaf(evidence, (quote, name), texts, verify, name=f"TPM quote, {name}")
        for name in ("message", "signature")
    ]
    parts += [
        leaf(evidence, (quote, "pcrs", index), texts, verify, name=f"PCR {index}")
        for index in (0, 8, 23)
    ]
    parts.append(_hcl(evidence, report, bare, verify))
    return [*parts, _pem(evidence, verify) if old else leaf(evidence, ("vcek",), bare, verify)]


def _hcl(evidence: Any, name: str, encoding: str, verify: Verify) -> Part:
    found = leaf(evidence, (name,), encoding, verify)
    size = 0x4D4 + int.from_bytes(found.data[0x4D0:0x4D4], "little")
    hardware = (range(_SIGNED), range(_R, _R + _NUMBER), range(_S, _S + _NUMBER))
    spans = [range(_HARDWARE + each.start, _HARDWARE + each.stop) for each in hardware]
    return Part("HCL report", found.data, found.attempt, (*spans, range(0x4D4, size)), size)


def _pem(evidence: Any, verify: Verify) -> Part:
    head, foot = "-----BEGIN CERTIFICATE-----\n", "-----END CERTIFICATE-----\n"
    first = evidence["vcek"].partition("-----END")[0].partition("-----\n")[2]

    def attempt(other: bytes) -> object:
        return verify({**evidence, "vcek": head + base64.encodebytes(other).decode() + foot})

    return Part("vcek", base64.b64decode(first), attempt)


def _revocation_list() -> list[Part]:
    """The list that vouches that nothing is revoked, and the chain a source has."""
    site = Site()
    evidence = site.evidence()
    documents = site.collateral.documents | {site.crl_name: site.amd.crl()}

    def attempt(name: str) -> Callable[[bytes], object]:
        def verify_with(other: bytes) -> object:
            source = MemoryCollateral(documents | {name: other})
            context = Context(NOON, source, {"revocation": "require"})
            body = UnverifiedEvidence("snp", evidence)
            return site.verifier.verify(body, Binding(None), context)

        return verify_with

    names: Iterable[str] = (site.crl_name,)
    return [Part(name, documents[name], attempt(name), outage_ok=True) for name in names]
