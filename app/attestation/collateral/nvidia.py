"""NVIDIA's services: the state of device certificates (OCSP), and reference manifests (RIM).

Sources: RFC 6960 (OCSP); NVIDIA, "Attestation suite", RIM service version 1.

====================================================  ===========================================
name                                                  what
====================================================  ===========================================
``nvidia/ocsp/<issuer>/<serial>``                     state of one certificate (OCSP response, DER)
``nvidia/rim/<id>``                                   reference manifest of a driver or VBIOS (JSON)
====================================================  ===========================================

``<issuer>`` is SHA-384 over the issuer's name in DER, a hyphen, and SHA-384 over the bits of its
key, in hex; ``<serial>`` is the serial number in hex, without zeros before it. Certificates of
devices are on no list, so each of them is asked for. RIM ids have capitals, names have them small.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from cryptography.hazmat.primitives.hashes import SHA384
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from app.attestation.collateral.catalogue import (
    Form,
    Question,
    VendorDocument,
    checked_base_url,
    origin_of,
)

DEFAULT_OCSP_URL = "https://ocsp.ndis.nvidia.com"
DEFAULT_RIM_URL = "https://rim.attestation.nvidia.com"

_OCSP = re.compile(r"nvidia/ocsp/([0-9a-f]{96})-([0-9a-f]{96})/([0-9a-f]{1,40})")
_RIM = re.compile(r"nvidia/rim/(nv_[a-z0-9._-]{1,100})")
_REQUEST_TYPE = "application/ocsp-request"
# A device that was revoked an hour ago is refused; NVIDIA's answers themselves serve for a day.
_OCSP_AGE = timedelta(hours=1)
_RIM_AGE = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class NVIDIACatalogue:
    """Names under ``nvidia/``.

    Attributes:
        ocsp_url: of the OCSP responder.
        rim_url: of the service of reference manifests.

    Raises:
        ConfigError: an address is not https, nor http on loopback.
    """

    ocsp_url: str = DEFAULT_OCSP_URL
    rim_url: str = DEFAULT_RIM_URL
    prefix: str = "nvidia/"

    def __post_init__(self) -> None:
        for name in ("ocsp_url", "rim_url"):
            url = checked_base_url(f"collateral.nvidia_{name}", getattr(self, name))
            object.__setattr__(self, name, url)

    @property
    def origins(self) -> tuple[str, ...]:
        """The responder and the service of manifests."""
        return (origin_of(self.ocsp_url), origin_of(self.rim_url))

    def find(self, name: str) -> VendorDocument | None:
        """The document of this name; ``None`` when NVIDIA has no such kind of document."""
        if match := _OCSP.fullmatch(name):
            question = Question(_request(*match.groups()), _REQUEST_TYPE)
            return VendorDocument(
                f"{self.ocsp_url}/", Form.DER, max_age=_OCSP_AGE, question=question
            )
        if match := _RIM.fullmatch(name):
            url = f"{self.rim_url}/v1/rim/{match[1].upper()}"
            return VendorDocument(url, Form.JSON, max_age=_RIM_AGE, countable=False)
        return None

    def offline_paths(self, name: str) -> Sequence[str]:
        """None: nobody else has a form for them."""
        del name
        return ()

    def standing(self, tee: str) -> Sequence[str]:
        """None: every document is of one device or of one version of its firmware."""
        del tee
        return ()


def ocsp_name(issuer_name_digest: bytes, issuer_key_digest: bytes, serial: int) -> str:
    """The collateral name of a certificate's state.

    Args:
        issuer_name_digest: SHA-384 over the issuer's name, DER.
        issuer_key_digest: SHA-384 over the bits of the issuer's key.
        serial: number of the certificate.
    """
    return f"nvidia/ocsp/{issuer_name_digest.hex()}-{issuer_key_digest.hex()}/{serial:x}"


def _request(name_digest: str, key_digest: str, serial: str) -> bytes:
    builder = ocsp.OCSPRequestBuilder().add_certificate_by_hash(
        bytes.fromhex(name_digest), bytes.fromhex(key_digest), int(serial, 16), SHA384()
    )
    return builder.build().public_bytes(Encoding.DER)
