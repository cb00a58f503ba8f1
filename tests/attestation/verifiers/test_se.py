"""IBM Secure Execution: no hardware vector exists, so a firmware of our own takes its place."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from fakes import NOON
from hypothesis import given, settings
from hypothesis import strategies as st
from paths import VECTORS
from simulated.collateral import MemoryCollateral
from simulated.se import DAY, TAGS, Firmware, SimulatedZ, certificate, image_header, pem

from app.attestation.evidence import Binding, Challenger, Claims, Context, UnverifiedEvidence
from app.attestation.verifiers.se import VERIFIER, SEVerifier
from app.trust.errors import (
    BindingMismatchError,
    ChainError,
    CollateralUnavailableError,
    ConfigError,
    DomainError,
    ExpiredCertificateError,
    IdentityMismatchError,
    MalformedEvidenceError,
    RevokedError,
    SignatureError,
    StaleCollateralError,
    UntrustedRootError,
)

FOLDER = VECTORS / "synthetic" / "se"
SYNTHETIC = json.loads((FOLDER / "evidence.json").read_text("utf-8"))
REPORT_DATA = b"synthetic-report-data"
DIGEST = bytes(range(64))


@pytest.fixture(scope="module")
def synthetic_options(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The key of the synthetic vector, and an image header with its tags."""
    header = tmp_path_factory.mktemp("se") / "hdr.bin"
    header.write_bytes(image_header(base64.b64decode(SYNTHETIC["image_hdr_tags"])))
    return {
        "measurement_key": str(FOLDER / "encrypt_key.pem"),
        "image_header": str(header),
    }


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> SimulatedZ:
    """A machine whose operator made no mistakes."""
    return SimulatedZ(tmp_path_factory.mktemp("z"))


@pytest.fixture
def broken(tmp_path: Path) -> SimulatedZ:
    """A machine that a test may break."""
    return SimulatedZ(tmp_path)


def verify(body: Any, options: dict[str, Any], report_data: bytes | None = REPORT_DATA) -> Claims:
    """The one set of claims, or the refusal."""
    context = Context(NOON, MemoryCollateral({}), options)
    (claims,) = VERIFIER.verify(UnverifiedEvidence("se", body), Binding(report_data), context)
    return claims


def challenge(options: dict[str, Any], **changes: Any) -> str:
    """A challenge."""
    assert isinstance(VERIFIER, Challenger)
    return VERIFIER.challenge("", Context(NOON, MemoryCollateral({}), options | changes))


# --- The synthetic vector ----------------------------------------------------------------------


def test_the_synthetic_evidence_gives_its_claims(synthetic_options: dict[str, Any]) -> None:
    """Made by another implementation of the same specification."""
    expected = json.loads((FOLDER / "evidence.claims.json").read_text("utf-8"))
    assert verify(SYNTHETIC, synthetic_options) == Claims("cpu", expected)
    claims = verify(SYNTHETIC, synthetic_options, None)
    assert claims.values == expected | {"report_data": ""}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("measurement", SignatureError),
        ("additional_data", SignatureError),
        ("user_data", SignatureError),
        ("cuid", SignatureError),
        ("image_hdr_tags", SignatureError),
        ("encr_measurement_key", SignatureError),
        ("encr_request_nonce", SignatureError),
    ],
)
def test_one_flipped_bit_anywhere_is_refused(
    synthetic_options: dict[str, Any], name: str, expected: type[DomainError]
) -> None:
    """With one reason: who sends ciphertexts learns nothing of their padding."""
    data = base64.b64decode(SYNTHETIC[name])
    for offset in range(0, len(data), 4 if name.startswith("encr") else 1):
        flipped = bytearray(data)
        flipped[offset] ^= 1 << offset % 8
        changed = SYNTHETIC | {name: base64.b64encode(flipped).decode()}
        with pytest.raises(expected) as refusal:
            verify(changed, synthetic_options)
        assert type(refusal.value) is expected


@pytest.mark.parametrize("name", SYNTHETIC)
def test_evidence_that_is_cut_is_refused(synthetic_options: dict[str, Any], name: str) -> None:
    """At every length of every part."""
    data = base64.b64decode(SYNTHETIC[name])
    free = name in {"user_data", "encr_measurement_key", "encr_request_nonce"}
    for length in range(len(data)):
        changed = SYNTHETIC | {name: base64.b64encode(data[:length]).decode()}
        with pytest.raises((SignatureError, MalformedEvidenceError)) as refusal:
            verify(changed, synthetic_options)
        assert free or type(refusal.value) is MalformedEvidenceError


def test_nonce_and_key_are_not_exchanged(synthetic_options: dict[str, Any]) -> None:
    """Each opens, and is of another length than it should be."""
    changed = SYNTHETIC | {
        "encr_measurement_key": SYNTHETIC["encr_request_nonce"],
        "encr_request_nonce": SYNTHETIC["encr_measurement_key"],
    }
    with pytest.raises(SignatureError):
        verify(changed, synthetic_options)


@pytest.mark.parametrize(
    "report_data", [b"", b"other", REPORT_DATA[:-1], REPORT_DATA + b"\1", bytes(65)]
)
def test_other_report_data_is_refused(
    synthetic_options: dict[str, Any], report_data: bytes
) -> None:
    """Shorter is padded; longer cannot be in the field."""
    with pytest.raises(BindingMismatchError):
        verify(SYNTHETIC, synthetic_options, report_data)


# --- From challenge to evidence ----------------------------------------------------------------


def test_a_guest_on_a_known_machine_is_verified(machine: SimulatedZ) -> None:
    """The firmware opens the request, and measures the guest for it."""
    asked = challenge(machine.options())
    evidence = Firmware(machine.host_key).attest(asked, DIGEST)
    claims = verify(evidence, machine.options(), DIGEST)
    assert claims.values["attestation_phkh"] == "01" * 32
    assert claims.values["tag"] == TAGS[-16:].hex()


def test_each_challenge_is_new(machine: SimulatedZ) -> None:
    """No two tell the same key, and each is the JSON that guests expect."""
    one, other = (json.loads(challenge(machine.options())) for _ in range(2))
    assert set(one) == {
        "request_blob",
        "measurement_size",
        "additional_size",
        "encr_measurement_key",
        "encr_request_nonce",
        "image_hdr_tags",
    }
    assert (one["measurement_size"], one["additional_size"]) == (64, 64)
    for name in ("request_blob", "encr_measurement_key", "encr_request_nonce"):
        assert one[name] != other[name]
    assert base64.b64decode(one["image_hdr_tags"]) == TAGS


def test_evidence_does_not_serve_for_another_challenge(machine: SimulatedZ) -> None:
    """The key of one request measures nothing for another."""
    firmware = Firmware(machine.host_key)
    first, second = (firmware.attest(challenge(machine.options()), DIGEST) for _ in range(2))
    mixed = first | {"encr_request_nonce": second["encr_request_nonce"]}
    with pytest.raises(SignatureError):
        verify(mixed, machine.options(), DIGEST)


def test_another_image_is_refused(machine: SimulatedZ) -> None:
    """Genuine firmware that runs something else; Trustee takes the guest's word for it."""
    asked = challenge(machine.options())
    evidence = Firmware(machine.host_key).attest(asked, DIGEST, tags=bytes(208))
    with pytest.raises(IdentityMismatchError):
        verify(evidence, machine.options(), DIGEST)


def test_another_server_s_challenge_is_refused(machine: SimulatedZ, broken: SimulatedZ) -> None:
    """Its key does not open what was sealed elsewhere."""
    asked = challenge(broken.options())
    evidence = Firmware(broken.host_key).attest(asked, DIGEST)
    with pytest.raises(SignatureError):
        verify(evidence, machine.options(), DIGEST)


def test_every_machine_can_open_the_request(broken: SimulatedZ) -> None:
    """One slot for each host key document."""
    other = ec.generate_private_key(ec.SECP521R1())
    document = certificate("Other", other, "Key Signing", broken.signing_key)
    broken.write("hkds/other.crt", document.public_bytes(Encoding.DER))
    asked = json.loads(challenge(broken.options()))
    block = base64.b64decode(asked["request_blob"])
    assert Firmware(other).open(block) == Firmware(broken.host_key).open(block)


# --- Host key documents ------------------------------------------------------------------------


def host(machine: SimulatedZ, **changes: Any) -> None:
    """Another host key document."""
    key = changes.pop("key", machine.host_key)
    signer = changes.pop("signer", machine.signing_key)
    machine.write("hkds/host.crt", pem(certificate("Host", key, "?", signer, **changes)))


def signed_by(machine: SimulatedZ, **changes: Any) -> None:
    """Another certificate of the key that signs."""
    root = changes.pop("root", machine.root_key)
    found = certificate("Key Signing", machine.signing_key, "Root", root, **changes)
    machine.write("certs/signing.crt", pem(found))


def rooted_elsewhere(machine: SimulatedZ) -> None:
    """A whole chain under a stranger's root, which lies among the certificates."""
    stranger = ec.generate_private_key(ec.SECP521R1())
    machine.write("certs/a.crt", pem(certificate("Root", stranger, "Root", stranger)))
    signed_by(machine, root=stranger)


STRANGER = ec.generate_private_key(ec.SECP521R1())
UNTRUSTED: dict[str, tuple[Callable[[SimulatedZ], Any], type[Exception]]] = {
    "signed by nobody known": (lambda z: host(z, signer=STRANGER), ChainError),
    "expired": (lambda z: host(z, not_after=NOON - DAY / 2), ExpiredCertificateError),
    "of tomorrow": (lambda z: host(z, not_before=NOON + DAY / 2), ExpiredCertificateError),
    "signed by one that expired": (
        lambda z: signed_by(z, not_after=NOON - DAY / 2),
        ExpiredCertificateError,
    ),
    "signed under nobody's root": (lambda z: signed_by(z, root=STRANGER), ChainError),
    "signed under another root": (rooted_elsewhere, UntrustedRootError),
    "revoked": (lambda z: z.revoke(z.document.serial_number), RevokedError),
    "signed by one that is revoked": (
        lambda z: z.revoke(z.signer.serial_number, by_root=True),
        RevokedError,
    ),
    "under an overdue list": (
        lambda z: z.revoke(1, next_update=NOON - DAY / 2),
        StaleCollateralError,
    ),
}


@pytest.mark.parametrize("name", UNTRUSTED)
def test_no_secret_is_wrapped_for_a_host_key_that_does_not_verify(
    broken: SimulatedZ, name: str
) -> None:
    """It is the server that cannot challenge; the cause goes to the log."""
    mutate, expected = UNTRUSTED[name]
    mutate(broken)
    with pytest.raises(CollateralUnavailableError) as refusal:
        challenge(broken.options())
    assert type(refusal.value.__cause__) is expected
    assert challenge(broken.options(), check_host_keys="insecure_skip")


def test_a_list_that_names_others_is_no_obstacle(broken: SimulatedZ) -> None:
    """Nor is a list of nobody known."""
    broken.revoke(1)
    assert challenge(broken.options())


def test_a_root_may_lie_among_the_certificates(broken: SimulatedZ) -> None:
    """Where no file of its own is named."""
    options = broken.options()
    del options["root_ca"]
    with pytest.raises(CollateralUnavailableError):
        challenge(options)
    broken.write("certs/root.crt", pem(broken.root))
    assert challenge(options)


# --- Files and options -------------------------------------------------------------------------


def small_key(machine: SimulatedZ) -> None:
    """An RSA key of 1024 bits."""
    key = rsa.generate_private_key(65537, 1024)  # noqa: S505 - that it is short is the point
    machine.write("key.pem", key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def other_key(machine: SimulatedZ) -> None:
    """A key that is not RSA."""
    machine.write(
        "key.pem", STRANGER.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )


def small_host_key(machine: SimulatedZ) -> None:
    """A host key on another curve."""
    host(machine, key=ec.generate_private_key(ec.SECP384R1()))


def short_header(machine: SimulatedZ) -> None:
    """An image header that says that it is longer than it is."""
    machine.write("hdr.bin", image_header()[:0x1F0])


FILES: dict[str, Callable[[SimulatedZ], Any]] = {
    "no key": lambda z: (z.folder / "key.pem").unlink(),
    "a key that is none": lambda z: z.write("key.pem", b"?"),
    "a key of 1024 bits": small_key,
    "a key that is not RSA": other_key,
    "no header": lambda z: (z.folder / "hdr.bin").unlink(),
    "an empty header": lambda z: z.write("hdr.bin", b""),
    "a header that is none": lambda z: z.write("hdr.bin", bytes(0x200)),
    "a header of another version": lambda z: z.write(
        "hdr.bin", image_header().replace(b"\0\0\1\0", b"\0\0\2\0", 1)
    ),
    "a header that is short": short_header,
    "a header of megabytes": lambda z: z.write("hdr.bin", bytes(2**20 + 1)),
    "no documents": lambda z: (z.folder / "hkds" / "host.crt").unlink(),
    "a document that is none": lambda z: z.write("hkds/host.crt", b"?"),
    "a document on another curve": small_host_key,
}


@pytest.mark.parametrize("name", FILES)
def test_files_that_cannot_serve_are_told(broken: SimulatedZ, name: str) -> None:
    """Before anything is served, and to the guest as an outage."""
    FILES[name](broken)
    with pytest.raises(ConfigError, match="cannot be used"):
        SEVerifier().check_options(broken.options())
    with pytest.raises(CollateralUnavailableError):
        challenge(broken.options())


def test_without_its_files_nothing_is_verified(broken: SimulatedZ) -> None:
    """Neither the key nor the image can be guessed."""
    for name in ("key.pem", "hdr.bin"):
        (broken.folder / name).unlink()
        with pytest.raises(CollateralUnavailableError):
            verify(SYNTHETIC, broken.options())


@pytest.mark.parametrize("name", ["certs/bad.crt", "crls/bad.crl"])
def test_authorities_that_do_not_parse_are_an_outage(broken: SimulatedZ, name: str) -> None:
    """A list that cannot be read may revoke."""
    broken.write(name, b"?")
    with pytest.raises(CollateralUnavailableError):
        challenge(broken.options())


@pytest.mark.parametrize(
    "options",
    [{"typo": 1}, {"check_host_keys": "no"}, {"measurement_key": 1}, {"root_ca": ""}],
)
def test_options_that_cannot_serve_are_refused(
    machine: SimulatedZ, options: dict[str, Any]
) -> None:
    """Before anything is served; and while it is served, nobody is believed."""
    with pytest.raises(ConfigError, match=r"attestation\.verifier_options\.se"):
        SEVerifier().check_options(machine.options(**options))
    with pytest.raises(CollateralUnavailableError):
        verify(SYNTHETIC, machine.options(**options))


def test_options_that_serve_are_taken(machine: SimulatedZ) -> None:
    """All files are there."""
    SEVerifier().check_options(machine.options())


def test_without_options_the_files_lie_where_trustee_has_them() -> None:
    """Which on this machine is nowhere."""
    with pytest.raises(CollateralUnavailableError):
        challenge({})
    with pytest.raises(ConfigError):
        SEVerifier().check_options({})


# --- Shapes ------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", [None, [], "text", {}])
def test_json_of_another_shape_is_malformed(synthetic_options: dict[str, Any], body: Any) -> None:
    """Never a crash, always the guest's fault."""
    with pytest.raises(MalformedEvidenceError):
        verify(body, synthetic_options)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=12,
)


@settings(max_examples=100, deadline=None)
@given(JSON, st.sampled_from(sorted(SYNTHETIC)))
def test_no_json_does_anything_but_be_refused(
    synthetic_options: dict[str, Any], value: Any, member: str
) -> None:
    """Whatever stands in the place of a part."""
    with pytest.raises((MalformedEvidenceError, SignatureError)):
        verify(SYNTHETIC | {member: value}, synthetic_options)
