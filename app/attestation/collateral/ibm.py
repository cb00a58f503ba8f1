"""IBM's certificates and revocation list for host key documents of Secure Execution.

Source: IBM, "Secure Execution for Linux", materials for the verification of host key documents.
Host key documents themselves are had from IBM with an account, so they stay files of the operator.

====================================================  ===========================================
name                                                  what
====================================================  ===========================================
``ibm/certificates/digicert-ca``                      authority above the signing key (PEM or DER)
``ibm/certificates/host-key-signing-gen2``            key that signs host key documents
``ibm/crl/host-key-gen2``                             revocation list of host key documents
====================================================  ===========================================
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from app.attestation.collateral.catalogue import (
    Form,
    VendorDocument,
    checked_base_url,
    origin_of,
)

DEFAULT_URL = "https://www.ibm.com/support/resourcelink/api/content/public"

CERTIFICATE_NAMES = ("ibm/certificates/digicert-ca", "ibm/certificates/host-key-signing-gen2")
LIST_NAMES = ("ibm/crl/host-key-gen2",)

_FILES = {
    "ibm/certificates/digicert-ca": "DigiCertCA.crt",
    "ibm/certificates/host-key-signing-gen2": "ibm-z-host-key-signing-gen2.crt",
    "ibm/crl/host-key-gen2": "ibm-z-host-key-gen2.crl",
}
_CERTIFICATE_AGE = timedelta(days=30)
_LIST_AGE = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class IBMCatalogue:
    """Names under ``ibm/``.

    Attributes:
        base_url: of IBM's folder or a mirror of it.

    Raises:
        ConfigError: the address is not https, nor http on loopback.
    """

    base_url: str = DEFAULT_URL
    prefix: str = "ibm/"

    def __post_init__(self) -> None:
        object.__setattr__(self, "base_url", checked_base_url("collateral.ibm_url", self.base_url))

    @property
    def origins(self) -> tuple[str, ...]:
        """The one service that is asked."""
        return (origin_of(self.base_url),)

    def find(self, name: str) -> VendorDocument | None:
        """The document of this name; ``None`` when IBM has no such document."""
        file = _FILES.get(name)
        if file is None:
            return None
        age = _LIST_AGE if name in LIST_NAMES else _CERTIFICATE_AGE
        return VendorDocument(f"{self.base_url}/{file}", Form.DER_OR_PEM, max_age=age)

    def offline_paths(self, name: str) -> Sequence[str]:
        """The file as IBM calls it."""
        return (_FILES[name],) if name in _FILES else ()

    def standing(self, tee: str) -> Sequence[str]:
        """All of them, for Secure Execution."""
        return tuple(_FILES) if tee == "se" else ()
