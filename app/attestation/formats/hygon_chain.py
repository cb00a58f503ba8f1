"""From a Hygon chip's endorsement key (CEK) up to a pinned root (HRK).

The root signs the HSK, which signs the CEK of each chip. HSK and CEK come with the evidence, or
from Hygon by the chip's serial number (``app/attestation/collateral/hygon.py``).
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Final

from app.attestation.collateral.hygon import pair_name
from app.attestation.collateral.ports import Collateral, CollateralKeeper, CollateralSource
from app.attestation.formats.amd_chain import DigestCache, digest_of
from app.attestation.formats.hygon_certificates import (
    AUTHORITY_BYTES,
    CEK_USAGE,
    CHIP_BYTES,
    HRK_USAGE,
    HSK_USAGE,
    AuthorityCertificate,
    ChipCertificate,
)
from app.trust.errors import (
    ChainError,
    CollateralUnavailableError,
    ConfigError,
    MalformedEvidenceError,
    UntrustedRootError,
)

# SHA-256 of the 832 bytes of Hygon's root certificate, as https://cert.hygon.cn/hrk serves it.
HRK_SHA256: Final = "296efa97580464aca0ab5eefe42199ee05862182508d1629f29cf4dc175b10cd"

_PAIR_BYTES = AUTHORITY_BYTES + CHIP_BYTES
_SERIAL = re.compile(rb"[A-Z0-9]{1,64}")

# What is not zero in the root's certificate, by offset: facts, from which its bytes are put
# together, so that a server can judge evidence without having fetched the root.
_HRK_PARTS = {
    0x000: "01000000",
    0x004: "3ae86a9701355cce333a589de21583d7",
    0x014: "3ae86a9701355cce333a589de21583d7",
    0x040: "03000000",
    0x044: "2df6c2921df2f52a501fcd85e73509c8753a5609db02d7f34cf1a4624de162be",
    0x08C: "46b91eb4684d74384788beb9100c644a38954e16978b4f581570bb573a12ab3b",
    0x0D4: "0d00" + b"HYGON-SSD-HRK".hex(),
    0x240: "2965ffee8ce048a0cb8e0b3be6ceb758099433628df7e60847c8be40a4dab6b1",
    0x288: "50d76be34fbb2b857c56a351f323d581ab542549c6a1c9b546d3798ede21438e",
}


def _genuine_root() -> AuthorityCertificate:
    data = bytearray(AUTHORITY_BYTES)
    for offset, part in _HRK_PARTS.items():
        field = bytes.fromhex(part)
        data[offset : offset + len(field)] = field
    assert hashlib.sha256(data).hexdigest() == HRK_SHA256
    return AuthorityCertificate.parse(bytes(data))


HYGON_ROOTS: Final = (_genuine_root(),)


@dataclass(frozen=True, slots=True)
class UnverifiedPair:
    """HSK and CEK as bytes, from wherever they came."""

    hsk: bytes
    cek: bytes


def parse_serial(unverified_serial: bytes) -> str:
    """The serial number of a chip, without the zeros behind it.

    It becomes a name of collateral, a path and part of an address, so nothing that is not plainly a
    serial number goes on from here.

    Raises:
        MalformedEvidenceError: not 1 to 64 capital letters and digits.
    """
    serial = unverified_serial.rstrip(b"\0")
    if not _SERIAL.fullmatch(serial):
        raise MalformedEvidenceError("a Hygon serial number has other than capitals and digits")
    return serial.decode("ascii")


def roots_with(
    roots: tuple[AuthorityCertificate, ...], unverified_roots: bytes, tee: str
) -> tuple[AuthorityCertificate, ...]:
    """The roots and those in a file of certificates of 832 bytes, one after another.

    Raises:
        ConfigError: the file holds something else than roots.
    """
    setting = f"attestation.insecure_extra_roots.{tee}"
    starts = range(0, len(unverified_roots), AUTHORITY_BYTES)
    if not starts:
        raise ConfigError([f"{setting}: holds no root"])
    try:
        added = [_root(unverified_roots[at : at + AUTHORITY_BYTES]) for at in starts]
    except (MalformedEvidenceError, ChainError) as error:
        raise ConfigError([f"{setting}: {error.message}"]) from error
    return (*roots, *added)


class HygonChains:
    """Finds and verifies the endorsement keys of chips.

    Args:
        roots: the certificates that chains may end in.
    """

    def __init__(self, roots: tuple[AuthorityCertificate, ...] = HYGON_ROOTS) -> None:
        self.roots = roots
        self._verified: DigestCache[ChipCertificate] = DigestCache()
        self._kept: DigestCache[Collateral] = DigestCache()

    def endorsement_key(
        self, given: UnverifiedPair | None, serial: str, source: CollateralSource
    ) -> ChipCertificate:
        """The verified CEK of a chip: of the evidence, or else of the chip with this serial.

        Raises:
            MalformedEvidenceError: a certificate in the evidence does not parse.
            CollateralUnavailableError: the evidence has none, and no source has one that parses.
            ChainError: the certificates do not make a chain up to a pinned root.
        """
        if given is not None:
            return self._verify(given)
        fetched = source.get(pair_name(serial))
        try:
            return self._verify(_split(fetched))
        except MalformedEvidenceError as error:
            raise CollateralUnavailableError(f"{fetched.name} does not parse") from error

    def keep(self, serial: str, source: CollateralSource) -> None:
        """Have the pair that was looked up kept for other processes: it verified evidence."""
        if not isinstance(source, CollateralKeeper):
            return
        fetched = source.get(pair_name(serial))
        digest = digest_of(fetched.name.encode(), fetched.unverified_body)
        if self._kept.find(digest) is None:
            source.keep(fetched)
            self._kept.put(digest, fetched)

    def _verify(self, unverified: UnverifiedPair) -> ChipCertificate:
        # Two of the slow signatures; certificates have no dates, so once is enough.
        digest = digest_of(unverified.hsk, unverified.cek)
        cek = self._verified.find(digest)
        if cek is None:
            cek = self._verify_afresh(unverified)
            self._verified.put(digest, cek)
        return cek

    def _verify_afresh(self, unverified: UnverifiedPair) -> ChipCertificate:
        hsk = AuthorityCertificate.parse(unverified.hsk)
        cek = ChipCertificate.parse(unverified.cek)
        if (hsk.usage, cek.usage) != (HSK_USAGE, CEK_USAGE):
            raise ChainError("HSK or CEK is a key for something else")
        hsk.check_signed_by(self._root_of(hsk))
        cek.check_signed_by(hsk)
        return cek

    def _root_of(self, hsk: AuthorityCertificate) -> AuthorityCertificate:
        for root in self.roots:
            if root.key_id == hsk.signing_id:
                return root
        raise UntrustedRootError("the HSK names a root that is not pinned")


def _split(fetched: Collateral) -> UnverifiedPair:
    body = fetched.unverified_body
    if len(body) != _PAIR_BYTES:
        raise MalformedEvidenceError("not an HSK and a CEK")
    return UnverifiedPair(body[:AUTHORITY_BYTES], body[AUTHORITY_BYTES:])


def _root(unverified_root: bytes) -> AuthorityCertificate:
    root = AuthorityCertificate.parse(unverified_root)
    if root.usage != HRK_USAGE:
        raise ChainError("a certificate is no root's")
    root.check_signed_by(root)
    return root
