"""Host keys of IBM Z and who vouches for them, as collateral instead of as files.

What comes this way may come from anyone, so the operator pins the root in a file, and IBM's
revocation list has to be there: a list that is kept from us must not leave a host key unrevoked.
"""

from __future__ import annotations

from collections.abc import Sequence

from cryptography import x509

from app.attestation.collateral.ibm import CERTIFICATE_NAMES, LIST_NAMES, host_key_name
from app.attestation.collateral.ports import CollateralSource
from app.attestation.formats.se_host_keys import (
    HostKeyAuthorities,
    HostKeyFormatError,
    load_certificates,
    load_revocation_list,
)


def find_host_keys(machines: Sequence[str], source: CollateralSource) -> list[x509.Certificate]:
    """The host key documents of machines, unverified, in their order.

    Args:
        machines: type and serial number of each, as ``host_key_name`` takes them.
        source: has them: IBM gives them to holders of an account only.

    Raises:
        HostKeyFormatError: one does not hold exactly one certificate.
        CollateralUnavailableError: no source has one.
    """
    found = []
    for machine in machines:
        held = load_certificates(source.get(host_key_name(machine)).unverified_body)
        if len(held) != 1:
            raise HostKeyFormatError("a host key document holds one certificate")
        found += held
    return found


def find_authorities(root: x509.Certificate, source: CollateralSource) -> HostKeyAuthorities:
    """IBM's signing key certificate, what stands above it, and IBM's revocation list.

    Args:
        root: which the operator pins; a self-signed certificate of the source is none.
        source: has the rest.

    Raises:
        HostKeyFormatError: a document does not parse.
        CollateralUnavailableError: no source has one.
    """
    certificates = tuple(
        certificate
        for name in CERTIFICATE_NAMES
        for certificate in load_certificates(source.get(name).unverified_body)
    )
    lists = tuple(load_revocation_list(source.get(name).unverified_body) for name in LIST_NAMES)
    return HostKeyAuthorities(certificates, root, lists, needs_list=True)
