"""Hygon's certificate service: the certificates of one chip, by its serial number.

====================================================  ===========================================
name                                                  what
====================================================  ===========================================
``hygon/hsk_cek/<serial>``                            HSK (832 bytes), then CEK (2084 bytes)
====================================================  ===========================================

``<serial>`` is the serial number of a processor or the chip id of a DCU: up to 64 letters and
digits. Hygon writes the letters as capitals, names have them small.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from app.attestation.collateral.catalogue import (
    Form,
    VendorDocument,
    checked_base_url,
    origin_of,
)

DEFAULT_URL = "https://cert.hygon.cn"

_PAIR = re.compile(r"hygon/hsk_cek/([a-z0-9]{1,64})")


@dataclass(frozen=True, slots=True)
class HygonCatalogue:
    """Names under ``hygon/``.

    Attributes:
        base_url: of the certificate service or a mirror of it.

    Raises:
        ConfigError: the address is not https, nor http on loopback.
    """

    base_url: str = DEFAULT_URL
    prefix: str = "hygon/"

    def __post_init__(self) -> None:
        url = checked_base_url("collateral.hygon_url", self.base_url)
        object.__setattr__(self, "base_url", url)

    @property
    def origins(self) -> tuple[str, ...]:
        """The one service that is asked."""
        return (origin_of(self.base_url),)

    def find(self, name: str) -> VendorDocument | None:
        """The document of this name; ``None`` when Hygon has no such kind of document."""
        match = _PAIR.fullmatch(name)
        if match is None:
            return None
        url = f"{self.base_url}/hsk_cek?snumber={match[1].upper()}"
        return VendorDocument(url, Form.HYGON, countable=False)

    def offline_paths(self, name: str) -> Sequence[str]:
        """Where Trustee's folders have it: that of processors, and that of DCUs."""
        match = _PAIR.fullmatch(name)
        if match is None:
            return ()
        serial = match[1].upper()
        return (f"hsk_cek/{serial}/hsk_cek.cert", f"{serial}_hsk_cek.cert")

    def standing(self, tee: str) -> Sequence[str]:
        """None: every document is of one chip."""
        del tee
        return ()


def pair_name(serial: str) -> str:
    """The collateral name of a chip's HSK and CEK.

    Args:
        serial: 1 to 64 capital letters and digits; the caller has checked that.
    """
    return f"hygon/hsk_cek/{serial.lower()}"
