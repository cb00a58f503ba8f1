"""Devices that measure what NVIDIA's reference manifests tell, and those that do not."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.hashes import SHA384
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from fakes import NOON
from paths import VECTORS
from simulated.collateral import MemoryCollateral
from simulated.nvidia import (
    FWID,
    NONCE,
    Holder,
    Plan,
    Report,
    SimulatedNVIDIA,
    block,
    evidence,
    issue,
    opaque,
)
from simulated.nvidia_manifests import (
    DRIVER_NAME,
    FIRMWARE,
    FIRMWARE_NAME,
    GOLDEN,
    ManifestSigner,
    served,
)

from app.attestation.collateral.catalogue import is_collateral_name
from app.attestation.collateral.nvidia import NVIDIACatalogue
from app.attestation.collateral.states import CollateralRules, ConsultedCollateral
from app.attestation.evidence import Binding, Claims, Context, UnverifiedEvidence
from app.attestation.formats.nvidia_certificates import parse_certificate
from app.attestation.formats.nvidia_ocsp import state_name
from app.attestation.formats.nvidia_rim import driver_manifest, firmware_manifest
from app.attestation.verifiers.nvidia import NVIDIAVerifier
from app.trust.errors import CollateralUnavailableError, ConfigError, DomainError

SITE, SIGNER = SimulatedNVIDIA(), ManifestSigner()
VERIFIER = NVIDIAVerifier().with_extra_roots(SITE.root.pem + SIGNER.root.pem)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
LATER = NOON + 60 * DAY
REQUIRE: dict[str, Any] = {"manifests": "require"}


def verify(
    source: MemoryCollateral | None = None,
    now: datetime = NOON,
    verifier: NVIDIAVerifier = VERIFIER,
    report: Report | None = None,
    **options: Any,
) -> dict[str, Any]:
    """The claims of a device."""
    body = evidence((report or Report()).signed_by(SITE.device), SITE.chain())
    found = source or MemoryCollateral(SIGNER.documents())
    context = Context(now, found, options)
    (claims,) = verifier.verify(UnverifiedEvidence("nvidia", body), Binding(NONCE), context)
    assert isinstance(claims, Claims)
    return claims.values


def code(documents: dict[str, bytes] | None = None, **how: Any) -> str:
    """What becomes of a device, with these documents."""
    source = None if documents is None else MemoryCollateral(documents)
    try:
        verify(source, **how)
    except DomainError as error:
        return error.code
    return "accepted"


# --- Accepted ------------------------------------------------------------------------------------


def test_a_device_that_measures_what_the_manifests_tell_is_accepted() -> None:
    """The claims say which manifests these were."""
    claims = verify(**REQUIRE)["manifests"]
    assert set(claims) == {"driver", "vbios"}
    assert (claims["driver"]["version"], claims["vbios"]["version"]) == ("550.1", FIRMWARE)
    assert claims["driver"]["signer_current"] is True
    assert len(claims["driver"]["sha256"]) == 64


def test_the_manifests_are_asked_for_by_what_the_device_says() -> None:
    """By driver, and by board and firmware; both names can be looked up at NVIDIA's service."""
    source = MemoryCollateral(SIGNER.documents())
    verify(source)
    assert {DRIVER_NAME, FIRMWARE_NAME} < set(source.asked)
    for name, url in (
        (DRIVER_NAME, "NV_GPU_DRIVER_GH100_550.1"),
        (FIRMWARE_NAME, "NV_GPU_VBIOS_1010_0200_882_96009F0001"),
    ):
        found = NVIDIACatalogue().find(name)
        assert found is not None
        assert found.url.endswith(f"/v1/rim/{url}")


def test_manifests_are_kept_once_they_told_a_genuine_device() -> None:
    """Not before: their names are made of evidence."""
    source = MemoryCollateral(SIGNER.documents())
    assert code(source.documents, report=Report(nonce=bytes(32))) == "binding-mismatch"
    verifier = NVIDIAVerifier().with_extra_roots(SITE.root.pem + SIGNER.root.pem)
    for _ in range(2):
        verify(source, verifier=verifier)
    assert sorted(each.name for each in source.kept) == [DRIVER_NAME, FIRMWARE_NAME]


def test_a_decoder_that_is_off_has_nothing_to_measure() -> None:
    """Index 35 is not compared then, and is otherwise."""
    golden = dict(GOLDEN["550.1"]) | {35: ["22" * 48]}
    documents = SIGNER.documents(golden=golden)
    off = Report(opaque=opaque() + field(11, b"\x55"))
    on = Report(opaque=opaque() + field(11, b"\xaa"))
    assert code(documents, report=off) == "accepted"
    assert code(documents, report=on) == "measurement-mismatch"
    assert code(documents) == "measurement-mismatch"


def field(kind: int, value: bytes) -> bytes:
    """One more field of opaque data."""
    return kind.to_bytes(2, "little") + len(value).to_bytes(2, "little") + value


def test_measurements_that_are_not_active_are_not_compared() -> None:
    """Manifests list them all the same."""
    golden = dict(GOLDEN["550.1"]) | {-7: ["33" * 48]}
    assert code(SIGNER.documents(golden=golden)) == "accepted"


# --- Refused -------------------------------------------------------------------------------------


def broken(**changes: Any) -> Callable[[], dict[str, bytes]]:
    """The driver's manifest says something else, and is signed."""
    return lambda: SIGNER.documents(**changes)


def driver(body: bytes) -> Callable[[], dict[str, bytes]]:
    """Another answer about the driver."""
    return lambda: SIGNER.documents() | {DRIVER_NAME: body}


def resource(text: str) -> Callable[[], dict[str, bytes]]:
    """A manifest with this in the place of its measurements."""
    return broken(resources=text)


GOOD = (
    '<ns0:Resource active="True" alternatives="1" index="1" name="" size="48" type="Measurement"'
    f' ns2:Hash0="{FWID.hex()}"></ns0:Resource>'
)
STRANGER = ManifestSigner()
OTHER = {1: ["11" * 48]}
REFUSED: dict[str, tuple[Callable[[], dict[str, bytes]], str]] = {
    "another measurement": (broken(golden=OTHER), "measurement-mismatch"),
    "a measurement that the device lacks": (
        broken(golden=dict(GOLDEN["550.1"]) | {2: ["00" * 48]}),
        "measurement-mismatch",
    ),
    "both manifests tell of one": (
        broken(golden=dict(GOLDEN["550.1"]) | {0: [bytes(48).hex()]}),
        "collateral-mismatch",
    ),
    "another version": (broken(version="551.0"), "collateral-mismatch"),
    "a stranger's manifest": (
        driver(served(STRANGER.manifest())),
        "root-untrusted",
    ),
    "a stranger's signature under the chain of the signer": (
        driver(served(STRANGER.manifest(chain=[SIGNER.signer, SIGNER.authority, SIGNER.root]))),
        "signature-invalid",
    ),
    "a stranger under the root's name": (
        driver(served(STRANGER.manifest(chain=[STRANGER.signer, STRANGER.authority, SIGNER.root]))),
        "chain-invalid",
    ),
    "no JSON": (driver(b"<x/>"), "collateral-unavailable"),
    "no manifest": (driver(b"{}"), "collateral-unavailable"),
    "a manifest that is no base64": (driver(b'{"rim": "?"}'), "collateral-unavailable"),
    "a manifest that is a number": (driver(b'{"rim": 1}'), "collateral-unavailable"),
    "no measurement": (resource(""), "collateral-unavailable"),
    "something else than measurements": (
        resource("<ns0:Resource></ns0:Resource>"),
        "collateral-unavailable",
    ),
    "an index twice": (resource(GOOD + GOOD), "collateral-unavailable"),
    "an index that is none": (
        resource(GOOD.replace('index="1"', 'index="01"')),
        "collateral-unavailable",
    ),
    "an index that is large": (
        resource(GOOD.replace('index="1"', 'index="255"')),
        "collateral-unavailable",
    ),
    "neither active nor not": (
        resource(GOOD.replace('"True"', '"true"')),
        "collateral-unavailable",
    ),
    "no alternatives": (
        resource(GOOD.replace('alternatives="1"', 'alternatives="0"')),
        "collateral-unavailable",
    ),
    "fewer digests than alternatives": (
        resource(GOOD.replace('alternatives="1"', 'alternatives="2"')),
        "collateral-unavailable",
    ),
    "a short digest": (resource(GOOD.replace(FWID.hex(), "00")), "collateral-unavailable"),
    "no version": (broken(version=""), "collateral-unavailable"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_each_thing_that_is_wrong_has_its_reason(name: str) -> None:
    """Whoever serves manifests gains nothing; what does not parse is nobody's evidence."""
    build, expected = REFUSED[name]
    assert code(build(), **REQUIRE) == expected


def test_another_measurement_of_the_device_is_refused() -> None:
    """The message names the blocks."""
    changed = Report(blocks=[block(1, bytes(48)), block(2, bytes(48))])
    with pytest.raises(DomainError, match=r": 2$") as refusal:
        verify(report=changed)
    assert refusal.value.code == "measurement-mismatch"


def test_one_changed_bit_of_a_manifest_is_refused() -> None:
    """In the tag, in the signature, in the certificates: nothing of it is believed any more."""
    honest = SIGNER.manifest()
    for at in range(0, len(honest), 11):
        changed = honest[:at] + bytes([honest[at] ^ 1 << at % 7]) + honest[at + 1 :]
        found = code(SIGNER.documents() | {DRIVER_NAME: served(changed)}, **REQUIRE)
        assert found != "accepted", at


def test_nothing_is_asked_of_nvidia_for_a_report_that_is_not_genuine() -> None:
    """Names of manifests are made of what a genuine device says."""
    source = MemoryCollateral(SIGNER.documents())
    body = evidence(Report().signed_by(issue(Plan("Nobody", authority=False))), SITE.chain())
    context = Context(NOON, source)
    with pytest.raises(DomainError):
        VERIFIER.verify(UnverifiedEvidence("nvidia", body), Binding(NONCE), context)
    assert source.asked == []


@pytest.mark.parametrize("kind", [3, 15, 17, 18])
@pytest.mark.parametrize("value", [b"", b"../x", b"a b", b"A" * 33, b"\xff"])
def test_a_device_that_does_not_name_itself_is_refused(kind: int, value: bytes) -> None:
    """What is no part of a name becomes none, unless nobody wants to compare."""
    fields = {3: b"550.1", 6: bytes.fromhex("009f009601000000"), 15: b"882", 17: b"1010"}
    fields |= {18: b"0200", 20: FWID, kind: value}
    report = Report(opaque=opaque(fields))
    assert code(report=report) == "malformed-evidence"
    assert code(report=report, manifests="skip") == "accepted"


# --- Missing, over, revoked ----------------------------------------------------------------------


def test_what_is_missing_is_for_options_and_settings_to_judge() -> None:
    """``require`` refuses at once; otherwise what is there is compared."""
    for missing in (DRIVER_NAME, FIRMWARE_NAME):
        documents = {name: body for name, body in SIGNER.documents().items() if name != missing}
        assert code(documents, **REQUIRE) == "collateral-unavailable"
        (kind,) = verify(MemoryCollateral(documents))["manifests"]
        assert kind == ("vbios" if missing == DRIVER_NAME else "driver")
    assert "manifests" not in verify(MemoryCollateral({}))
    wrong = {DRIVER_NAME: SIGNER.documents(golden=OTHER)[DRIVER_NAME]}
    assert code(wrong) == "measurement-mismatch"


@pytest.mark.parametrize("body", [None, b"", b"{}", served(SIGNER.manifest()[:-1])])
def test_settings_decide_about_a_manifest_that_is_none(body: bytes | None) -> None:
    """Whoever answers with anything does not have the comparison left out."""
    documents = SIGNER.documents() | ({DRIVER_NAME: body} if body is not None else {})
    if body is None:
        del documents[DRIVER_NAME]
    report = UnverifiedEvidence("nvidia", evidence(Report().signed_by(SITE.device), SITE.chain()))
    consulted = ConsultedCollateral(MemoryCollateral(documents), CollateralRules(), NOON)
    VERIFIER.verify(report, Binding(NONCE), Context(NOON, consulted))
    with pytest.raises(CollateralUnavailableError):
        consulted.check()


def test_nothing_is_compared_when_nobody_wants_it() -> None:
    """And nothing asked for."""
    source = MemoryCollateral(SIGNER.documents(golden=OTHER))
    assert "manifests" not in verify(source, manifests="skip")
    assert not {DRIVER_NAME, FIRMWARE_NAME} & set(source.asked)


def test_a_signer_whose_time_is_over_is_refused_or_claimed() -> None:
    """NVIDIA signs a manifest once; whether it is heard afterwards is the operator's choice."""
    assert code(now=LATER) == "certificate-expired"
    claims = verify(now=LATER, manifest_dates="claim")["manifests"]
    assert claims["driver"]["signer_current"] is False
    assert code(SIGNER.documents(golden=OTHER), now=LATER, manifest_dates="claim") == (
        "measurement-mismatch"
    )


def test_a_signer_whose_time_has_not_begun_is_refused() -> None:
    """Whatever the option says."""
    early = ManifestSigner(Plan("RIM Signer", authority=False, not_before=NOON + HOUR))
    verifier = NVIDIAVerifier().with_extra_roots(SITE.root.pem + early.root.pem)
    for dates in ("enforce", "claim"):
        found = code(early.documents(), verifier=verifier, manifest_dates=dates)
        assert found == "certificate-expired"


def state(of: Holder, by: Holder, status: ocsp.OCSPCertStatus) -> tuple[str, bytes]:
    """Name and answer of NVIDIA's responder about a certificate of the manifests' chain."""
    revoked_at = NOON - HOUR if status is ocsp.OCSPCertStatus.REVOKED else None
    builder = ocsp.OCSPResponseBuilder().add_response(
        of.certificate, by.certificate, SHA384(), status, NOON - HOUR, NOON + HOUR, revoked_at, None
    ).responder_id(ocsp.OCSPResponderEncoding.HASH, SIGNER.root.certificate)  # fmt: skip
    answer = builder.sign(SIGNER.root.key, SHA384()).public_bytes(Encoding.DER)
    return state_name(parse_certificate(of.der), parse_certificate(by.der)), answer


@pytest.mark.parametrize("which", ["signer", "authority"])
def test_a_signer_that_nvidia_has_revoked_is_refused(which: str) -> None:
    """Unlike a device's, its certificate is one that NVIDIA issued."""
    pairs = {
        "signer": (SIGNER.signer, SIGNER.authority),
        "authority": (SIGNER.authority, SIGNER.root),
    }
    good, revoked = ocsp.OCSPCertStatus.GOOD, ocsp.OCSPCertStatus.REVOKED
    told = dict(state(*pair, revoked if name == which else good) for name, pair in pairs.items())
    assert code(SIGNER.documents() | told) == "certificate-revoked"
    told = dict(state(*pair, good) for pair in pairs.values())
    assert code(SIGNER.documents() | told) == "accepted"


# --- Roots and options ---------------------------------------------------------------------------


def test_the_built_in_verifier_believes_nvidias_root_alone() -> None:
    """A manifest under another root is refused although it is not required."""
    verifier = NVIDIAVerifier().with_extra_roots(SITE.root.pem)
    assert code(verifier=verifier) == "root-untrusted"


@pytest.mark.parametrize(
    "options", [{"manifests": "yes"}, {"manifests": True}, {"manifest_dates": "ignore"}]
)
def test_unknown_choices_are_faults(options: dict[str, Any]) -> None:
    """At the start."""
    with pytest.raises(ConfigError):
        VERIFIER.check_options(options)


def test_genuine_devices_have_manifests_with_names() -> None:
    """As NVIDIA's service has them, of both genuine reports."""
    expected = {
        "hopperAttestationReport": ("550.90.07", "1010_0200_882_96009f0001"),
        "hopper_coco_report1": ("580.95.05", "1010_0200_882_960074001a"),
    }
    for report, (version, board) in expected.items():
        text = (VECTORS / "nvidia" / f"{report}.claims.json").read_text("utf-8")
        config = json.loads(text)["config"]
        names = driver_manifest(config)[0], firmware_manifest(config)[0]
        assert names == (
            f"nvidia/rim/nv_gpu_driver_gh100_{version}",
            f"nvidia/rim/nv_gpu_vbios_{board}",
        )
        assert all(is_collateral_name(name) and NVIDIACatalogue().find(name) for name in names)
