"""Looks at what vendors' services answer, so that a lie is not kept in the place of a document.

Verifiers check every signature again when they use a document; without this, a forged answer would
be kept for as long as a genuine one, and no evidence could be verified meanwhile.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from cryptography import x509

from app.attestation.collateral.ports import Collateral
from app.attestation.formats.amd_certificates import (
    CertificateFormatError,
    parse_pem_certificates,
)
from app.attestation.formats.amd_chain import (
    AMD_ROOTS,
    KeyKind,
    Pins,
    verify_authorities,
)
from app.attestation.formats.dcap_certificates import INTEL_ROOTS
from app.attestation.formats.dcap_collateral import CollateralVerifier
from app.attestation.formats.snp_report import Generation
from app.trust.errors import CollateralUnavailableError

_KINDS = {"cert_chain": KeyKind.VCEK, "vlek_cert_chain": KeyKind.VLEK}


@dataclass
class Judge:
    """Fits the port ``CollateralJudge``.

    Attributes:
        amd_pins: SHA-256 of the accepted roots' keys, by generation.
        intel_roots: SHA-256 of the accepted roots' keys, hex.
    """

    amd_pins: Pins = field(default_factory=lambda: AMD_ROOTS)
    intel_roots: frozenset[str] = INTEL_ROOTS

    def __post_init__(self) -> None:
        """Make what remembers chains that were verified."""
        self._intel = CollateralVerifier(self.intel_roots)

    def __call__(self, answered: Collateral) -> None:
        """Refuse what is not the document.

        Raises:
            DomainError: it does not parse, or nobody who is trusted signed it.
        """
        vendor, *path = answered.name.split("/")
        if vendor == "intel":
            self._intel.check(answered)
        elif vendor == "amd" and path[-1] in _KINDS:
            self._check_chain(answered, path[0], _KINDS[path[-1]])
        elif path[-1] == "crl" or "crl" in path[:-1]:
            _check_list(answered)

    def _check_chain(self, answered: Collateral, generation: str, kind: KeyKind) -> None:
        try:
            intermediate, root = parse_pem_certificates(answered.unverified_body)
        except (CertificateFormatError, ValueError) as error:
            raise CollateralUnavailableError(f"{answered.name} does not parse") from error
        named = Generation(generation.capitalize())
        verify_authorities((intermediate, root), kind, named, self.amd_pins)


def _check_list(answered: Collateral) -> None:
    """It parses; whoever uses it knows whose it has to be."""
    body = answered.unverified_body
    try:
        if body.startswith(b"-----BEGIN "):
            x509.load_pem_x509_crl(body)
        else:
            x509.load_der_x509_crl(body)
    except ValueError as error:
        raise CollateralUnavailableError(f"{answered.name} does not parse") from error
