"""From a VCEK or VLEK up to a pinned AMD root, and AMD's revocation lists.

Source: AMD publication 57230, section 2: the ARK signs itself, the ASK and the ASVK; the ASK signs
VCEKs, the ASVK signs VLEKs. Roots are pinned by the SHA-256 of their SubjectPublicKeyInfo, so it
does not matter who hands a certificate over.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from types import MappingProxyType
from typing import Generic, TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec

from app.attestation.formats.amd_certificates import AMDCertificate, CertificateFormatError
from app.attestation.formats.der import check_whole_signature
from app.attestation.formats.snp_report import Generation
from app.trust.errors import (
    ChainError,
    ExpiredCertificateError,
    RevokedError,
    SignatureError,
    UntrustedRootError,
)

Pins = Mapping[Generation, frozenset[bytes]]

# SHA-256 of the DER SubjectPublicKeyInfo of ARK-Milan, ARK-Genoa and ARK-Turin, computed from the
# certificates at https://kdsintf.amd.com/vcek/v1/<generation>/cert_chain.
AMD_ROOTS: Pins = MappingProxyType(
    {
        Generation.MILAN: frozenset(
            [
                bytes.fromhex("9f056bee44377e29308cb5ffa895bdfb62d18881fa6bed8d6f075b0204089cb9"),
            ]
        ),
        Generation.GENOA: frozenset(
            [
                bytes.fromhex("429a69c9422aa258ee4d8db5fcda9c6470ef15f8cd5a9cebd6cbc7d90b863831"),
            ]
        ),
        Generation.TURIN: frozenset(
            [
                bytes.fromhex("4f125410563a2ab9a50356f9243f6fe0b6f73de98603f53f90339c70e9d7ad08"),
            ]
        ),
    }
)

_REMEMBER_AT_MOST = 1024

Value = TypeVar("Value")


class KeyKind(Enum):
    """What kind of key signed a report; the value is how the report's key bits say it."""

    VCEK = 0
    VLEK = 1

    @property
    def subject(self) -> str:
        """The common name in its certificate."""
        return f"SEV-{self.name}"

    def issuer(self, generation: Generation) -> str:
        """The common name of the intermediate that signs such certificates."""
        middle = "VLEK-" if self is KeyKind.VLEK else ""
        return f"SEV-{middle}{generation.value}"


@dataclass(frozen=True, slots=True)
class UnverifiedChain:
    """Certificates that are said to make a chain."""

    leaf: AMDCertificate
    intermediate: AMDCertificate
    root: AMDCertificate


@dataclass(frozen=True, slots=True)
class VerifiedChain:
    """A chain whose signatures and names hold, up to a pinned root.

    Whether it is in its validity period, and whether it is revoked, changes with time: that is
    checked at every use.

    Attributes:
        leaf: the VCEK or VLEK.
        intermediate: the ASK or ASVK.
        root: the ARK.
        report_key: the key in the leaf.
    """

    leaf: AMDCertificate
    intermediate: AMDCertificate
    root: AMDCertificate
    report_key: ec.EllipticCurvePublicKey

    def check_validity(self, now: datetime) -> None:
        """Every certificate is within its dates.

        Raises:
            ExpiredCertificateError: one is not; the message names it.
        """
        for certificate in (self.leaf, self.intermediate, self.root):
            if not certificate.not_before <= now <= certificate.not_after:
                raise ExpiredCertificateError(
                    f"{certificate.common_name} is valid from {certificate.not_before:%Y-%m-%d} "
                    f"to {certificate.not_after:%Y-%m-%d}"
                )


@dataclass(frozen=True, slots=True)
class RevocationList:
    """A list whose signature holds.

    Attributes:
        serials: of the certificates that its issuer has revoked.
        next_update: when a newer one was promised for, UTC.
    """

    serials: frozenset[int]
    next_update: datetime | None

    def check(self, chain: VerifiedChain) -> None:
        """Nothing that the root signed in this chain is revoked.

        A VCEK or VLEK has no serial number of its own and is revoked by its TCB or by its
        intermediate.

        Raises:
            RevokedError: the intermediate or the root is on the list.
        """
        for certificate in (chain.intermediate, chain.root):
            if certificate.serial in self.serials:
                raise RevokedError(f"AMD has revoked {certificate.common_name}")

    def is_current(self, now: datetime) -> bool:
        """Whether no newer list is due."""
        return self.next_update is not None and now <= self.next_update


class DigestCache(Generic[Value]):
    """Verified values by the digest of what they were verified from; the oldest go first."""

    def __init__(self, limit: int = _REMEMBER_AT_MOST) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._values: OrderedDict[bytes, Value] = OrderedDict()

    def find(self, digest: bytes) -> Value | None:
        """The value of this digest."""
        with self._lock:
            value = self._values.get(digest)
            if value is not None:
                self._values.move_to_end(digest)
            return value

    def put(self, digest: bytes, value: Value) -> None:
        """Keep a value."""
        with self._lock:
            self._values[digest] = value
            self._values.move_to_end(digest)
            while len(self._values) > self._limit:
                self._values.popitem(last=False)


def digest_of(*parts: bytes) -> bytes:
    """SHA-256 over the parts, each with its length, so that no two rows of parts collide."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.digest()


def pins_with(pins: Pins, unverified_roots: list[AMDCertificate]) -> Pins:
    """Pins that accept further roots, each for the generation in its name.

    Raises:
        CertificateFormatError: a certificate is not named like an ARK.
    """
    extended = dict(pins)
    for root in unverified_roots:
        names = [name for name in Generation if root.common_name == f"ARK-{name.value}"]
        if not names:
            raise CertificateFormatError("a root is not named ARK-<generation>")
        extended[names[0]] = extended.get(names[0], frozenset()) | {root.spki_sha256}
    return MappingProxyType(extended)


def verify_chain(
    chain: UnverifiedChain, kind: KeyKind, generation: Generation, pins: Pins
) -> VerifiedChain:
    """Check the chain from its root down.

    Raises:
        UntrustedRootError: the root is not pinned for this generation.
        ChainError: a name or a signature does not hold.
    """
    verify_authorities((chain.intermediate, chain.root), kind, generation, pins)
    _check_link(chain.leaf, chain.intermediate, kind.subject)
    try:
        key = chain.leaf.report_key()
    except CertificateFormatError as error:
        raise ChainError(f"{kind.subject} holds no key for reports") from error
    return VerifiedChain(chain.leaf, chain.intermediate, chain.root, key)


def verify_authorities(
    authorities: tuple[AMDCertificate, AMDCertificate],
    kind: KeyKind,
    generation: Generation,
    pins: Pins,
) -> None:
    """Check an intermediate and a root, which is what AMD serves as a chain.

    Raises:
        UntrustedRootError: the root is not pinned for this generation.
        ChainError: a name or a signature does not hold.
    """
    intermediate, root = authorities
    if root.spki_sha256 not in pins.get(generation, frozenset()):
        raise UntrustedRootError(f"the root is not AMD's for {generation.value}")
    _check_link(root, root, f"ARK-{generation.value}")
    _check_link(intermediate, root, kind.issuer(generation))


def read_revocation_list(unverified_list: bytes, root: AMDCertificate) -> RevocationList:
    """The list, once its signature by the root is checked.

    Raises:
        SignatureError: it does not parse, is another issuer's, or its signature does not hold.
    """
    try:
        crl = x509.load_der_x509_crl(unverified_list)
        check_whole_signature(unverified_list, crl.signature)
        if crl.issuer.public_bytes() != root.subject:
            raise SignatureError("the revocation list is not of the root of the chain")
        root.verify(crl.signature, crl.tbs_certlist_bytes)
        serials = frozenset(entry.serial_number for entry in crl)
    except (ValueError, x509.InvalidVersion, UnsupportedAlgorithm, InvalidSignature) as error:
        raise SignatureError("the revocation list is not AMD's") from error
    return RevocationList(serials, crl.next_update_utc)


def _check_link(certificate: AMDCertificate, issuer: AMDCertificate, name: str) -> None:
    if certificate.common_name != name:
        raise ChainError(f"a certificate that is not {name} in its place")
    if certificate.issuer != issuer.subject or not issuer.is_authority:
        raise ChainError(f"{name} is not issued by the next certificate")
    try:
        issuer.verify(certificate.signature, certificate.tbs)
    except (InvalidSignature, CertificateFormatError) as error:
        raise ChainError(f"the signature on {name} does not hold") from error
