"""Finds and verifies the certificates behind an SNP report.

In this order: what the evidence brought, then the configured collateral sources. Verified chains
are kept in memory by the digest of everything that went into them, so that a guest that comes
again costs one signature, not four.
"""

from __future__ import annotations

from dataclasses import dataclass

from app.attestation.collateral.ports import Collateral, CollateralKeeper, CollateralSource
from app.attestation.formats.amd_certificates import (
    AMDCertificate,
    CertificateFormatError,
    parse_pem_certificates,
)
from app.attestation.formats.amd_chain import (
    AMD_ROOTS,
    DigestCache,
    KeyKind,
    Pins,
    RevocationList,
    UnverifiedChain,
    VerifiedChain,
    digest_of,
    read_revocation_list,
    verify_chain,
)
from app.attestation.formats.snp_report import Generation, SNPReport
from app.trust.errors import CollateralUnavailableError, MalformedEvidenceError

_CHAIN_NAMES = {KeyKind.VCEK: "cert_chain", KeyKind.VLEK: "vlek_cert_chain"}


@dataclass(frozen=True, slots=True)
class UnverifiedCertificates:
    """The certificates that came with evidence, DER or PEM; ``None`` where it brought none.

    Attributes:
        kind: what kind of key the leaf is said to be.
        leaf: VCEK or VLEK.
        intermediate: ASK or ASVK.
        root: ARK.
    """

    kind: KeyKind = KeyKind.VCEK
    leaf: bytes | None = None
    intermediate: bytes | None = None
    root: bytes | None = None


class AMDChains:
    """Chains up to pinned roots.

    Args:
        pins: SHA-256 of the accepted roots' SubjectPublicKeyInfo, by generation.
    """

    def __init__(self, pins: Pins = AMD_ROOTS) -> None:
        self.pins = pins
        self._pins_digest = digest_of(
            *(
                generation.value.encode() + pin
                for generation in Generation
                for pin in sorted(pins.get(generation, frozenset()))
            )
        )
        self._chains: DigestCache[VerifiedChain] = DigestCache()
        self._revocation_lists: DigestCache[RevocationList] = DigestCache(16)
        self._kept: DigestCache[Collateral] = DigestCache()

    def find(
        self,
        report: SNPReport,
        generation: Generation,
        given: UnverifiedCertificates,
        source: CollateralSource,
    ) -> VerifiedChain:
        """The verified chain of the key that is said to have signed the report.

        Raises:
            MalformedEvidenceError: a certificate in the evidence does not parse, or the evidence
                lacks one that no source can have.
            CollateralUnavailableError: no source has a certificate that the evidence lacks.
            ChainError: the certificates do not make a chain up to a pinned root.
        """
        fetched = None
        if given.leaf is None:
            fetched = source.get(vcek_name(report, generation))
        leaf = fetched.unverified_body if fetched is not None else given.leaf or b""
        digest = digest_of(
            self._pins_digest,
            f"{generation.value} {given.kind.name}".encode(),
            leaf,
            given.intermediate or b"",
            given.root or b"",
        )
        chain = self._chains.find(digest)
        if chain is None:
            unverified = _assemble(generation, given, fetched, source)
            chain = verify_chain(unverified, given.kind, generation, self.pins)
            self._chains.put(digest, chain)
        return chain

    def keep_leaf(
        self, report: SNPReport, generation: Generation, source: CollateralSource
    ) -> None:
        """Have the VCEK that was looked up kept for other processes: it verified a report."""
        if not isinstance(source, CollateralKeeper):
            return
        fetched = source.get(vcek_name(report, generation))
        digest = digest_of(fetched.name.encode(), fetched.unverified_body)
        if self._kept.find(digest) is None:
            source.keep(fetched)
            self._kept.put(digest, fetched)

    def revocation_list(
        self, generation: Generation, chain: VerifiedChain, source: CollateralSource
    ) -> RevocationList:
        """AMD's list for the generation, its signature checked.

        Raises:
            CollateralUnavailableError: no source has it.
            SignatureError: what a source has is not AMD's list.
        """
        body = source.get(f"amd/{generation.value.lower()}/crl").unverified_body
        digest = digest_of(chain.root.spki, chain.root.subject, body)
        known = self._revocation_lists.find(digest)
        if known is None:
            known = read_revocation_list(body, chain.root)
            self._revocation_lists.put(digest, known)
        return known


def vcek_name(report: SNPReport, generation: Generation) -> str:
    """The collateral name of the VCEK for the report's chip and TCB.

    Raises:
        MalformedEvidenceError: the report does not tell its chip, or a VLEK signed it; such
            certificates have to come with the evidence.
    """
    if report.is_chip_masked or report.signing_key != KeyKind.VCEK.value:
        raise MalformedEvidenceError(
            "the evidence needs its certificate: the report names no chip to look one up for"
        )
    tcb = report.reported_tcb
    hwid = report.chip_id[:8] if generation is Generation.TURIN else report.chip_id
    levels = f"bl{tcb.bootloader:02}_tee{tcb.tee:02}_snp{tcb.snp:02}_ucode{tcb.microcode:02}"
    fmc = "" if tcb.fmc is None else f"_fmc{tcb.fmc:02}"
    return f"amd/{generation.value.lower()}/vcek/{hwid.hex()}/{levels}{fmc}"


def _assemble(
    generation: Generation,
    given: UnverifiedCertificates,
    fetched: Collateral | None,
    source: CollateralSource,
) -> UnverifiedChain:
    leaf = _from_source(fetched) if fetched is not None else _from_evidence(given.leaf or b"")
    intermediate = _from_evidence(given.intermediate) if given.intermediate else None
    root = _from_evidence(given.root) if given.root else None
    if intermediate is None or root is None:
        name = f"amd/{generation.value.lower()}/{_CHAIN_NAMES[given.kind]}"
        known_intermediate, known_root = _chain_from_source(source.get(name))
        intermediate, root = intermediate or known_intermediate, root or known_root
    return UnverifiedChain(leaf, intermediate, root)


def _from_evidence(unverified_certificate: bytes) -> AMDCertificate:
    try:
        return AMDCertificate.parse(unverified_certificate)
    except CertificateFormatError as error:
        raise MalformedEvidenceError("a certificate in the evidence does not parse") from error


def _from_source(collateral: Collateral) -> AMDCertificate:
    try:
        return AMDCertificate.parse(collateral.unverified_body)
    except CertificateFormatError as error:
        raise CollateralUnavailableError(f"{collateral.name} does not parse") from error


def _chain_from_source(collateral: Collateral) -> tuple[AMDCertificate, AMDCertificate]:
    """The intermediate and the root of a chain document, which stand in this order."""
    try:
        intermediate, root = parse_pem_certificates(collateral.unverified_body)
    except ValueError as error:
        raise CollateralUnavailableError(f"{collateral.name} does not parse") from error
    return intermediate, root
