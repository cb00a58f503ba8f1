"""IBM's certificates and revocation list for host key documents of Secure Execution.

Source: IBM, "Secure Execution for Linux", materials for the verification of host key documents.
Host key documents themselves IBM gives to holders of an account only: its public folder has none,
but a mirror of the operator's, an offline folder or a bundle may.

====================================================  ===========================================
name                                                  what
====================================================  ===========================================
``ibm/certificates/digicert-ca``                      authority above the signing key (PEM or DER)
``ibm/certificates/host-key-signing-gen2``            key that signs host key documents
``ibm/crl/host-key-gen2``                             revocation list of host key documents
``ibm/host-keys/<machine>``                           host key document of one machine
====================================================  ===========================================

``<machine>`` is type and serial number of a machine as IBM names its documents, in small letters:
``8561-000201c048`` of ``HKD-8561-000201C048.crt``.
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

DEFAULT_URL = "https://www.ibm.com/support/resourcelink/api/content/public"

CERTIFICATE_NAMES = ("ibm/certificates/digicert-ca", "ibm/certificates/host-key-signing-gen2")
LIST_NAMES = ("ibm/crl/host-key-gen2",)

_FILES = {
    "ibm/certificates/digicert-ca": "DigiCertCA.crt",
    "ibm/certificates/host-key-signing-gen2": "ibm-z-host-key-signing-gen2.crt",
    "ibm/crl/host-key-gen2": "ibm-z-host-key-gen2.crl",
}
_MACHINE = re.compile(r"[0-9]{4}-[0-9a-z]{5,14}")
_HOST_KEYS = "ibm/host-keys/"
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
        file = _file(name)
        if file is None:
            return None
        age = _LIST_AGE if name in LIST_NAMES else _CERTIFICATE_AGE
        return VendorDocument(f"{self.base_url}/{file}", Form.DER_OR_PEM, max_age=age)

    def offline_paths(self, name: str) -> Sequence[str]:
        """The file as IBM calls it."""
        file = _file(name)
        return () if file is None else (file,)

    def standing(self, tee: str) -> Sequence[str]:
        """Those of IBM itself, for Secure Execution."""
        return tuple(_FILES) if tee == "se" else ()


def is_machine(text: str) -> bool:
    """Whether a text is type and serial number of a machine, in small letters."""
    return _MACHINE.fullmatch(text) is not None


def host_key_name(machine: str) -> str:
    """The collateral name of a machine's host key document."""
    return f"{_HOST_KEYS}{machine}"


def _file(name: str) -> str | None:
    machine = name.removeprefix(_HOST_KEYS)
    if machine != name and is_machine(machine):
        return f"HKD-{machine.upper()}.crt"
    return _FILES.get(name)
