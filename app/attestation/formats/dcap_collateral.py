"""What DCAP needs from Intel, found by name and verified up to a pinned root.

Source: Intel PCS API version 4. Issuer chains come as URL-encoded PEM in response headers. Results
are kept by the digest of everything that was read; dates are not judged here, so a kept result
never outlives them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import unquote_to_bytes

from app.attestation.collateral.intel import (
    IDENTITY_CHAIN_HEADER,
    PCK_CRL,
    PCK_CRL_CHAIN_HEADER,
    QE_IDENTITY,
    ROOT_CA_CRL,
    TCB_CHAIN_HEADER,
    TCB_INFO,
)
from app.attestation.collateral.ports import Collateral, CollateralSource
from app.attestation.formats.dcap_cache import VerifiedCache, digest_of
from app.attestation.formats.dcap_certificates import (
    Certificate,
    CertificateChain,
    RevocationList,
    UnreadableError,
    check_list_issuer,
    check_not_revoked,
    read_revocation_list,
    verify_chain,
)
from app.attestation.formats.dcap_pck import PCKPlatform, read_platform
from app.attestation.formats.dcap_tcb_info import (
    EnclaveIdentity,
    TCBInfo,
    open_enclave_identity,
    open_tcb_info,
)
from app.trust.errors import (
    ChainError,
    CollateralMismatchError,
    CollateralUnavailableError,
    MalformedEvidenceError,
)

_SIGNER_COMMON_NAME = "Intel SGX TCB Signing"
# A platform's chain has 4 KiB, a TCB info 20 KiB when it is parsed: a few MiB in all.
_MAX_PLATFORMS = 1024
_MAX_DOCUMENTS = 64

DocumentT = TypeVar("DocumentT", TCBInfo, EnclaveIdentity)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class DCAPCollateral:
    """Everything about one platform, its signatures checked.

    Attributes:
        chains: of the PCK list's issuer, the TCB info and the identity, as they were served.
    """

    tcb_info: TCBInfo
    identity: EnclaveIdentity
    pck_crl: RevocationList
    root_crl: RevocationList
    chains: tuple[CertificateChain, ...]


class CollateralVerifier:
    """Verifies chains, lists and signed documents once; safe to share between threads."""

    def __init__(self, roots: frozenset[str]) -> None:
        """Pin the roots.

        Args:
            roots: SHA-256 digests of the roots' SubjectPublicKeyInfo, hex.
        """
        self._roots = roots
        self._platforms: VerifiedCache[PCKPlatform] = VerifiedCache(_MAX_PLATFORMS)
        self._chains: VerifiedCache[CertificateChain] = VerifiedCache(_MAX_DOCUMENTS)
        self._lists: VerifiedCache[RevocationList] = VerifiedCache(_MAX_DOCUMENTS)
        self._tcb_infos: VerifiedCache[TCBInfo] = VerifiedCache(_MAX_DOCUMENTS)
        self._identities: VerifiedCache[EnclaveIdentity] = VerifiedCache(_MAX_DOCUMENTS)

    def verify_platform(self, pem: bytes) -> PCKPlatform:
        """The platform of a PCK chain.

        Args:
            pem: three certificates, leaf first, as a quote carries them.

        Raises:
            MalformedEvidenceError: the text is no such chain.
            ChainError: it does not lead to a pinned root, or is no PCK chain.
        """
        try:
            return self._platforms.get(
                digest_of(pem), lambda: read_platform(verify_chain(pem, 3, self._roots))
            )
        except UnreadableError as error:
            raise MalformedEvidenceError(f"PCK chain: {error}") from error

    def check(self, document: Collateral) -> None:
        """A document by itself: signed under a pinned root, or at least what it is called.

        The list of the root names its issuer and does not bring it; that it parses must do.

        Raises:
            CollateralUnavailableError: it does not parse, or comes without its issuer's chain.
            SignatureError: a signature over it does not verify.
            ChainError: its issuer's chain does not lead to a pinned root.
            CollateralMismatchError: a list is of another authority.
        """
        name = document.name
        if TCB_INFO.fullmatch(name):
            self._document(document, (TCB_CHAIN_HEADER, None), self._tcb_infos, open_tcb_info)
        elif QE_IDENTITY.fullmatch(name):
            self._document(
                document, (IDENTITY_CHAIN_HEADER, None), self._identities, open_enclave_identity
            )
        elif PCK_CRL.fullmatch(name):
            self._list(document, self._chain(document, PCK_CRL_CHAIN_HEADER, None).leaf)
        else:
            _read(name, lambda: read_revocation_list(_from_hex(document.unverified_body)))

    def collect(self, tee: str, platform: PCKPlatform, source: CollateralSource) -> DCAPCollateral:
        """Find what Intel says about a platform as ``sgx`` or as ``tdx``, and verify it.

        Raises:
            CollateralUnavailableError: a document is nowhere to be had, or does not parse.
            SignatureError: a signature over one does not verify.
            ChainError: an issuer chain does not lead to the root of the platform.
            RevokedError: a certificate, of the platform too, is revoked.
            CollateralMismatchError: a revocation list is of another authority.
        """
        root = platform.chain.root
        root_crl = self._list(source.get(ROOT_CA_CRL), root)
        listed = source.get(f"intel/pckcrl/{platform.authority.value}")
        list_chain = self._chain(listed, PCK_CRL_CHAIN_HEADER, root)
        _check_same_authority(list_chain.leaf, platform.chain.issuer)
        pck_crl = self._list(listed, platform.chain.issuer)
        tcb, tcb_chain = self._document(
            source.get(f"intel/{tee}/tcb/{platform.fmspc.hex()}"),
            (TCB_CHAIN_HEADER, root),
            self._tcb_infos,
            open_tcb_info,
        )
        identity, identity_chain = self._document(
            source.get(f"intel/{tee}/qe-identity"),
            (IDENTITY_CHAIN_HEADER, root),
            self._identities,
            open_enclave_identity,
        )
        chains = (list_chain, tcb_chain, identity_chain)
        check_not_revoked([platform.chain.leaf], pck_crl)
        for chain in (platform.chain, *chains):
            check_not_revoked(chain.certificates, root_crl)
        return DCAPCollateral(tcb, identity, pck_crl, root_crl, chains)

    def _chain(
        self, document: Collateral, header: str, root: Certificate | None
    ) -> CertificateChain:
        """The issuer chain in a response header; two certificates under the platform's root."""
        quoted = document.unverified_headers.get(header)
        if quoted is None:
            raise CollateralUnavailableError(f"{document.name} comes without its issuer chain")
        name = f"the issuer chain of {document.name}"
        text = quoted.encode("utf-8", "replace")

        def verify() -> CertificateChain:
            return verify_chain(unquote_to_bytes(text), 2, self._roots)

        chain = _read(name, lambda: self._chains.get(digest_of(text), verify))
        if root is not None and chain.root.spki_digest != root.spki_digest:
            raise ChainError(f"{name} ends in another root than the platform's")
        return chain

    def _list(self, document: Collateral, issuer: Certificate) -> RevocationList:
        body = document.unverified_body

        def verify() -> RevocationList:
            crl = read_revocation_list(_from_hex(body))
            check_list_issuer(crl, issuer)
            return crl

        key = digest_of(body, issuer.subject, issuer.point)
        return _read(document.name, lambda: self._lists.get(key, verify))

    def _document(
        self,
        document: Collateral,
        issuer: tuple[str, Certificate | None],
        cache: VerifiedCache[DocumentT],
        open_document: Callable[[bytes, Certificate], DocumentT],
    ) -> tuple[DocumentT, CertificateChain]:
        chain = self._chain(document, *issuer)
        signer = chain.leaf
        if signer.common_name != _SIGNER_COMMON_NAME:
            raise ChainError(f"{document.name} is signed by no TCB signing certificate")
        body = document.unverified_body
        opened = cache.get(digest_of(body, signer.point), lambda: open_document(body, signer))
        return opened, chain


def _from_hex(body: bytes) -> bytes:
    """The DER of a list; a PCCS serves the root's as hex of it."""
    try:
        return bytes.fromhex(body.decode("ascii"))
    except ValueError:
        return body


def _read(name: str, read: Callable[[], T]) -> T:
    """What is read, when it can be; the guest is not to blame for what Intel's documents are."""
    try:
        return read()
    except UnreadableError as error:
        raise CollateralUnavailableError(f"{name}: {error}") from error


def _check_same_authority(served: Certificate, issuer: Certificate) -> None:
    if (served.subject, served.point) != (issuer.subject, issuer.point):
        raise CollateralMismatchError(
            "the PCK revocation list is not of the authority that issued the PCK certificate"
        )
