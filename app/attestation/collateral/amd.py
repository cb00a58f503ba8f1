"""AMD's Key Distribution Service: certificate chains, chip certificates and revocation lists.

Source: AMD publication 57230, "VCEK Certificate and KDS Interface Specification".

====================================================  ===========================================
name                                                  what
====================================================  ===========================================
``amd/<generation>/cert_chain``                       ASK, then ARK (PEM)
``amd/<generation>/vlek_cert_chain``                  ASVK, then ARK (PEM)
``amd/<generation>/crl``                              the ARK's revocation list (DER)
``amd/<generation>/vcek/<hwid>/<tcb>``                VCEK of one chip at one TCB (DER)
====================================================  ===========================================

``<generation>`` is ``milan``, ``genoa`` or ``turin``; ``<hwid>`` is the chip id in lower-case hex
(its first 8 bytes on Turin); ``<tcb>`` is ``bl03_tee00_snp14_ucode209``, and ``_fmc00`` after it on
Turin: decimal, two digits at least.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from app.attestation.collateral.catalogue import (
    Form,
    VendorDocument,
    checked_base_url,
    origin_of,
)

DEFAULT_URL = "https://kdsintf.amd.com"

_PRODUCTS = {"milan": "Milan", "genoa": "Genoa", "turin": "Turin"}
_DOCUMENT = re.compile(r"amd/(milan|genoa|turin)/(cert_chain|vlek_cert_chain|crl)")
_VCEK = re.compile(
    r"amd/(milan|genoa|turin)/vcek/([0-9a-f]{16}|[0-9a-f]{128})/"
    r"(bl(\d{2,3})_tee(\d{2,3})_snp(\d{2,3})_ucode(\d{2,3})(?:_fmc(\d{2,3}))?)"
)
_SERVED_AT = {
    "cert_chain": ("vcek", "cert_chain", Form.PEM),
    "vlek_cert_chain": ("vlek", "cert_chain", Form.PEM),
    "crl": ("vcek", "crl", Form.DER),
}
# Chains change with a new intermediate of a generation, which has not happened yet; lists may
# change any day.
_CHAIN_AGE = timedelta(days=30)
_CRL_AGE = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class AMDCatalogue:
    """Names under ``amd/``.

    Attributes:
        base_url: of the Key Distribution Service or a mirror of it.

    Raises:
        ConfigError: the address is not https, nor http on loopback.
    """

    base_url: str = DEFAULT_URL
    prefix: str = "amd/"

    def __post_init__(self) -> None:
        object.__setattr__(self, "base_url", checked_base_url("collateral.amd_url", self.base_url))

    @property
    def origins(self) -> tuple[str, ...]:
        """The one service that is asked."""
        return (origin_of(self.base_url),)

    def find(self, name: str) -> VendorDocument | None:
        """The document of this name; ``None`` when AMD has no such kind of document."""
        if match := _DOCUMENT.fullmatch(name):
            kind, last, form = _SERVED_AT[match[2]]
            age = _CRL_AGE if match[2] == "crl" else _CHAIN_AGE
            url = f"{self.base_url}/{kind}/v1/{_PRODUCTS[match[1]]}/{last}"
            return VendorDocument(url, form, max_age=age)
        if match := _VCEK.fullmatch(name):
            url = f"{self.base_url}/vcek/v1/{_PRODUCTS[match[1]]}/{match[2]}?{_tcb_query(match)}"
            return VendorDocument(url, Form.DER, countable=False)
        return None

    def offline_paths(self, name: str) -> Sequence[str]:
        """Where Trustee's offline store of the KDS has a VCEK; no other document is in it."""
        match = _VCEK.fullmatch(name)
        if match is None:
            return ()
        return (f"vcek/{match[2]}/{match[3]}_vcek.der", f"vcek/{match[2]}/vcek.der")

    def standing(self, tee: str) -> Sequence[str]:
        """Chains and lists of every generation."""
        if tee not in {"snp", "az-snp-vtpm"}:
            return ()
        return tuple(f"amd/{each}/{what}" for each in _PRODUCTS for what in _SERVED_AT)


def _tcb_query(match: re.Match[str]) -> str:
    fmc = f"fmcSPL={match[8]}&" if match[8] is not None else ""
    return f"{fmc}blSPL={match[4]}&teeSPL={match[5]}&snpSPL={match[6]}&ucodeSPL={match[7]}"
