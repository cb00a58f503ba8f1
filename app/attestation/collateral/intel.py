"""Intel's Provisioning Certification Service (PCS), and caches of it (PCCS): names and addresses.

Source: Intel, "PCS API version 4". The names do not say ``early`` or ``standard``: a site follows
one of the two (``update``), and asks for what Intel publishes first by default, as Trustee does.

====================================================  ===========================================
name                                                  what
====================================================  ===========================================
``intel/<tee>/tcb/<fmspc>``                           TCB info of a family of platforms (JSON)
``intel/<tee>/qe-identity``                           identity of its quoting enclave (JSON)
``intel/pckcrl/platform``, ``…/processor``            revocation list of a PCK authority (DER)
``intel/rootcacrl``                                   revocation list of the root (DER, or its hex)
====================================================  ===========================================

``<tee>`` is ``sgx`` or ``tdx``; ``<fmspc>`` is 12 digits of lower-case hex. All but the last come
with the chain of their issuer in a response header, as URL-encoded PEM.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum

from app.attestation.collateral.catalogue import (
    Form,
    VendorDocument,
    checked_base_url,
    origin_of,
)

DEFAULT_URL = "https://api.trustedservices.intel.com"

TCB_INFO = re.compile(r"intel/(sgx|tdx)/tcb/([0-9a-f]{12})")
QE_IDENTITY = re.compile(r"intel/(sgx|tdx)/qe-identity")
PCK_CRL = re.compile(r"intel/pckcrl/(platform|processor)")
ROOT_CA_CRL = "intel/rootcacrl"

TCB_CHAIN_HEADER = "tcb-info-issuer-chain"
IDENTITY_CHAIN_HEADER = "sgx-enclave-identity-issuer-chain"
PCK_CRL_CHAIN_HEADER = "sgx-pck-crl-issuer-chain"

# The distribution point that Intel's root names. A constant, because the certificate it could be
# read from comes from whoever answers, who must not choose where this server goes.
ROOT_CA_CRL_URL = "https://certificates.trustedservices.intel.com/IntelSGXRootCA.der"

# Intel publishes for 30 days; lists may change any day.
_MAX_AGE = timedelta(days=1)


class UpdateType(Enum):
    """Which of Intel's two publications of a TCB recovery is asked for.

    Early: on the day of its disclosure. Standard: about a year later.
    """

    EARLY = "early"
    STANDARD = "standard"


@dataclass(frozen=True, slots=True)
class IntelCatalogue:
    """Names under ``intel/``.

    Attributes:
        base_url: of the PCS or a PCCS; only its scheme and host are used.

    Raises:
        ConfigError: the address is not https, nor http on loopback.
    """

    base_url: str = DEFAULT_URL
    update: UpdateType = UpdateType.EARLY
    prefix: str = "intel/"

    def __post_init__(self) -> None:
        checked = checked_base_url("collateral.intel_url", self.base_url)
        object.__setattr__(self, "base_url", origin_of(checked))

    @property
    def origins(self) -> tuple[str, ...]:
        """The service that is asked, and where Intel keeps the list of its root."""
        return tuple(dict.fromkeys((self.base_url, origin_of(self._root_ca_crl_url))))

    def find(self, name: str) -> VendorDocument | None:
        """The document of this name; ``None`` when Intel has no such kind of document."""
        if match := TCB_INFO.fullmatch(name):
            path = f"{match[1]}/certification/v4/tcb?fmspc={match[2].upper()}&{self._update}"
            return self._document(path, Form.JSON, TCB_CHAIN_HEADER)
        if match := QE_IDENTITY.fullmatch(name):
            path = f"{match[1]}/certification/v4/qe/identity?{self._update}"
            return self._document(path, Form.JSON, IDENTITY_CHAIN_HEADER)
        if match := PCK_CRL.fullmatch(name):
            path = f"sgx/certification/v4/pckcrl?ca={match[1]}&encoding=der"
            return self._document(path, Form.DER, PCK_CRL_CHAIN_HEADER)
        if name == ROOT_CA_CRL:
            return VendorDocument(self._root_ca_crl_url, Form.DER_OR_HEX, max_age=_MAX_AGE)
        return None

    def offline_paths(self, name: str) -> Sequence[str]:
        """None: Trustee's offline store of Intel's documents is one file (``IntelBundle``)."""
        del name
        return ()

    def standing(self, tee: str) -> Sequence[str]:
        """What is not of one family of platforms."""
        kind = {"tdx": "tdx", "az-tdx-vtpm": "tdx", "sgx": "sgx"}.get(tee)
        if kind is None:
            return ()
        lists = ("intel/pckcrl/platform", "intel/pckcrl/processor", ROOT_CA_CRL)
        return (f"intel/{kind}/qe-identity", *lists)

    @property
    def _update(self) -> str:
        return f"update={self.update.value}"

    @property
    def _root_ca_crl_url(self) -> str:
        if self.base_url == DEFAULT_URL:
            return ROOT_CA_CRL_URL
        return f"{self.base_url}/sgx/certification/v4/rootcacrl"

    def _document(self, path: str, form: Form, header: str) -> VendorDocument:
        return VendorDocument(f"{self.base_url}/{path}", form, (header,), _MAX_AGE)
