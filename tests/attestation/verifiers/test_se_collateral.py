"""Host keys of Secure Execution, and who vouches for them, as collateral instead of as files."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.serialization import Encoding
from fakes import NOON
from simulated.collateral import MemoryCollateral
from simulated.se import DAY, Firmware, SimulatedZ, certificate, pem

from app.attestation.collateral.catalogue import is_collateral_name
from app.attestation.collateral.ibm import IBMCatalogue, host_key_name
from app.attestation.evidence import Binding, Context, UnverifiedEvidence
from app.attestation.verifiers.se import SEVerifier
from app.trust.errors import (
    ChainError,
    CollateralUnavailableError,
    ConfigError,
    ExpiredCertificateError,
    RevokedError,
    StaleCollateralError,
    UntrustedRootError,
)

MACHINE = "8561-000201c048"
KEYS = f"ibm/host-keys/{MACHINE}"
SIGNER, ABOVE = "ibm/certificates/host-key-signing-gen2", "ibm/certificates/digicert-ca"
LIST = "ibm/crl/host-key-gen2"
STRANGER = ec.generate_private_key(ec.SECP521R1())


class Site:
    """A machine whose operator has a root, an image and a key, and no other files."""

    def __init__(self, folder: Path) -> None:
        self.machine = SimulatedZ(folder)
        middle_key = ec.generate_private_key(ec.SECP384R1())
        middle = certificate("Middle", middle_key, "Root", self.machine.root_key)
        self.signer = certificate("Key Signing", self.machine.signing_key, "Middle", middle_key)
        self.documents = {
            KEYS: pem(self.machine.document),
            SIGNER: pem(self.signer),
            ABOVE: middle.public_bytes(Encoding.DER),
            LIST: self.revocation_list(),
        }
        for name in ("hkds/host.crt", "certs/signing.crt"):
            (folder / name).unlink()

    def revocation_list(
        self,
        *serials: int,
        until: datetime = NOON + DAY,
        key: Any = None,
        encoding: Encoding = Encoding.DER,
    ) -> bytes:
        """IBM's list of host keys."""
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.signer.subject)
            .last_update(NOON - 2 * DAY)
            .next_update(until)
        )
        for serial in serials:
            builder = builder.add_revoked_certificate(
                x509.RevokedCertificateBuilder(serial, NOON - DAY).build()
            )
        return builder.sign(key or self.machine.signing_key, SHA512()).public_bytes(encoding)

    def options(self, **changes: Any) -> dict[str, Any]:
        """The settings, where host keys are collateral."""
        return self.machine.options(machines=[MACHINE]) | changes

    def challenge(self, **changes: Any) -> str:
        """A challenge, by what the sources have."""
        context = Context(NOON, MemoryCollateral(self.documents), self.options(**changes))
        return SEVerifier().challenge("", context)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """Faultless, until a test breaks it."""
    return Site(tmp_path)


def test_a_guest_is_verified_by_host_keys_that_are_collateral(site: Site) -> None:
    """No folder of the operator's holds a certificate."""
    asked = site.challenge()
    evidence = Firmware(site.machine.host_key).attest(asked, b"bound".ljust(64, b"\0"))
    context = Context(NOON, MemoryCollateral(site.documents), site.options(), asked)
    found = UnverifiedEvidence("se", evidence)
    (claims,) = SEVerifier().verify(found, Binding(b"bound"), context)
    assert claims.values["attestation_phkh"] == "01" * 32


def test_lists_are_read_in_either_form(site: Site) -> None:
    """PEM, or DER."""
    site.documents[LIST] = site.revocation_list(encoding=Encoding.PEM)
    assert site.challenge()


def replaced(name: str, make: Callable[[Site], bytes | None]) -> Callable[[Site], None]:
    """Another document, or none."""

    def change(site: Site) -> None:
        body = make(site)
        if body is None:
            del site.documents[name]
        else:
            site.documents[name] = body

    return change


def host_key(**changes: Any) -> Callable[[Site], bytes]:
    """Another host key document."""

    def make(site: Site) -> bytes:
        signer = changes.get("signer", site.machine.signing_key)
        times = {name: at for name, at in changes.items() if name != "signer"}
        return pem(certificate("Host", site.machine.host_key, "?", signer, **times))

    return make


def self_signed(site: Site) -> bytes:
    """A root of a stranger's, in the place of the authority."""
    return pem(certificate("Middle", STRANGER, "Middle", STRANGER))


def rooted_elsewhere(site: Site) -> None:
    """A whole chain that ends in a self-signed certificate of the source."""
    site.documents[ABOVE] = self_signed(site)
    signer = certificate("Key Signing", site.machine.signing_key, "Middle", STRANGER)
    site.documents[SIGNER] = pem(signer)


BROKEN: dict[str, tuple[Callable[[Site], None], type[Exception] | None]] = {
    **{
        f"no {name}": (replaced(name, lambda _: None), None) for name in (KEYS, SIGNER, ABOVE, LIST)
    },
    "a host key that is none": (replaced(KEYS, lambda _: b"?"), ValueError),
    "two host keys in one document": (
        replaced(KEYS, lambda site: 2 * site.documents[KEYS]),
        ValueError,
    ),
    "a list that is none": (replaced(LIST, lambda _: b"\x30\x00"), ValueError),
    "a host key that nobody known signed": (replaced(KEYS, host_key(signer=STRANGER)), ChainError),
    "a host key that expired": (
        replaced(KEYS, host_key(not_after=NOON - DAY / 2)),
        ExpiredCertificateError,
    ),
    "an authority that nobody known signed": (replaced(ABOVE, self_signed), ChainError),
    "a root that came along": (rooted_elsewhere, UntrustedRootError),
    "a host key that is revoked": (
        replaced(LIST, lambda site: site.revocation_list(site.machine.document.serial_number)),
        RevokedError,
    ),
    "a list that is over": (
        replaced(LIST, lambda site: site.revocation_list(until=NOON - DAY / 2)),
        StaleCollateralError,
    ),
    "a list of somebody else's": (
        replaced(LIST, lambda site: site.revocation_list(key=STRANGER)),
        StaleCollateralError,
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_no_secret_is_wrapped_for_host_keys_that_do_not_verify(site: Site, name: str) -> None:
    """Nobody is challenged; the cause goes to the log."""
    break_it, cause = BROKEN[name]
    break_it(site)
    with pytest.raises(CollateralUnavailableError) as refusal:
        site.challenge()
    found = refusal.value.__cause__
    assert cause is None or isinstance(found, cause)


def test_the_root_has_to_be_pinned(site: Site) -> None:
    """What anyone may serve vouches for itself otherwise."""
    options = site.options()
    del options["root_ca"]
    with pytest.raises(ConfigError, match="root_ca"):
        SEVerifier().check_options(options)


def test_a_root_that_cannot_be_read_is_told(site: Site) -> None:
    """When the server starts, and as an outage later."""
    site.machine.write("root.crt", b"?")
    with pytest.raises(ConfigError, match="root_ca"):
        SEVerifier().check_options(site.options())
    with pytest.raises(CollateralUnavailableError):
        site.challenge()


@pytest.mark.parametrize(
    "machines",
    [
        "8561-000201c048",
        [7],
        ["8561"],
        ["8561-000201C048"],
        ["../x"],
        ["8561-00020/.."],
        [MACHINE] * 65,
    ],
)
def test_machines_have_names(site: Site, machines: Any) -> None:
    """Small letters and digits: they become names of collateral, paths and addresses."""
    with pytest.raises(ConfigError, match="machines"):
        SEVerifier().check_options(site.options(machines=machines))


def test_options_that_serve_are_taken(site: Site) -> None:
    """Without the folders, which are not looked at."""
    SEVerifier().check_options(site.options(host_key_documents="/nowhere"))


def test_host_keys_are_served_by_mirrors_and_folders_alone() -> None:
    """As IBM names them; nothing else becomes an address."""
    catalogue = IBMCatalogue("https://mirror.example/z")
    name = host_key_name(MACHINE)
    assert is_collateral_name(name)
    assert catalogue.offline_paths(name) == ("HKD-8561-000201C048.crt",)
    found = catalogue.find(name)
    assert found is not None
    assert found.url == "https://mirror.example/z/HKD-8561-000201C048.crt"
    for other in ("ibm/host-keys/8561", "ibm/host-keys/8561-000201C048", "ibm/host-keys/x/y"):
        assert catalogue.find(other) is None
        assert catalogue.offline_paths(other) == ()
    assert name not in catalogue.standing("se")
