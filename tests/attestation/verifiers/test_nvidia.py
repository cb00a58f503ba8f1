"""NVIDIA's devices, verified here: genuine reports, and a refusal for each thing that is wrong."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from fakes import NOON
from hypothesis import given, settings
from hypothesis import strategies as st
from paths import VECTORS
from simulated.collateral import MemoryCollateral
from simulated.nvidia import (
    NONCE,
    TCB_INFO,
    Plan,
    Report,
    SimulatedNVIDIA,
    block,
    evidence,
    issue,
    leaf_plan,
    opaque,
)

from app.attestation.evidence import Binding, Claims, Context, UnverifiedEvidence, Verifier
from app.attestation.formats.nvidia_certificates import pem_certificates
from app.attestation.verifiers.nvidia import VERIFIER, NVIDIAVerifier
from app.trust.errors import (
    BindingMismatchError,
    ChainError,
    ConfigError,
    DomainError,
    ExpiredCertificateError,
    IdentityMismatchError,
    MalformedEvidenceError,
    SignatureError,
    UntrustedRootError,
)

FOLDER = VECTORS / "nvidia"
GENUINE_NONCE = bytes.fromhex("931d8dd0add203ac3d8b4fbde75e115278eefcdceac5b87671a748f32364dfcb")
COCO_REPORT_DATA = bytes.fromhex(
    "87d8e24ab336adafe228d49e83d745f6dba4ae505372b6a5704820856b343fece279b616efefc2aae21da80cf5581250"
)


def verify(
    body: Any,
    report_data: bytes | None = NONCE,
    verifier: Verifier = VERIFIER,
    now: Any = NOON,
) -> list[Claims]:
    """The claims, or the refusal."""
    context = Context(now, MemoryCollateral({}))
    return verifier.verify(UnverifiedEvidence("nvidia", body), Binding(report_data), context)


def vector(name: str) -> bytes:
    """A genuine report."""
    return bytes.fromhex((FOLDER / name).read_text("ascii").strip())


@pytest.fixture(scope="module")
def hopper() -> bytes:
    """A report of a genuine H100."""
    return vector("hopperAttestationReport.txt")


@pytest.fixture(scope="module")
def certificates() -> bytes:
    """Its chain, in PEM."""
    return (FOLDER / "hopper_cert_chain_case1.txt").read_bytes()


@pytest.fixture(scope="module")
def site() -> SimulatedNVIDIA:
    """A vendor of our own."""
    return SimulatedNVIDIA()


@pytest.fixture(scope="module")
def verifier(site: SimulatedNVIDIA) -> NVIDIAVerifier:
    """A verifier that believes it."""
    return NVIDIAVerifier().with_extra_roots(site.root.pem)


# --- Genuine evidence --------------------------------------------------------------------------


@pytest.mark.parametrize("encode", [bytes.hex, lambda data: base64.b64encode(data).decode()])
def test_a_genuine_report_gives_its_claims(
    hopper: bytes, certificates: bytes, encode: Callable[[bytes], str]
) -> None:
    """In hex as NVIDIA prints it, or in base64 as guests send it."""
    body = evidence(hopper, certificates, uuid="unknown", evidence=encode(hopper))
    (claims,) = verify(body, GENUINE_NONCE)
    expected = json.loads((FOLDER / "hopperAttestationReport.claims.json").read_text("utf-8"))
    assert claims == Claims("gpu", expected)


def test_a_genuine_report_of_a_confidential_guest_gives_its_claims() -> None:
    """SPDM's nonce holds the first 32 bytes of the digest; one NUL behind the report is known."""
    report = vector("hopper_coco_report1.txt")
    chain = (FOLDER / "hopper_coco_certs1.txt").read_bytes()
    assert report[-1] == 0
    body = evidence(report, chain, arch="Hopper")
    del body["device_evidence_list"][0]["uuid"]
    (claims,) = verify(body, COCO_REPORT_DATA)
    expected = json.loads((FOLDER / "hopper_coco_report1.claims.json").read_text("utf-8"))
    assert claims == Claims("gpu", expected)


@pytest.mark.parametrize("case", [2, 3, 4])
def test_a_genuine_report_with_a_chain_that_lacks_a_part_is_refused(
    hopper: bytes, case: int
) -> None:
    """Only the root, no intermediate, no leaf: each ends in the pinned root, and none is ours."""
    chain = (FOLDER / f"hopper_cert_chain_case{case}.txt").read_bytes()
    with pytest.raises(ChainError) as refusal:
        verify(evidence(hopper, chain), GENUINE_NONCE)
    assert refusal.value.code == "chain-invalid"


def test_a_genuine_report_with_the_chain_of_another_device_is_refused(hopper: bytes) -> None:
    """Both are NVIDIA's."""
    chain = (FOLDER / "hopper_coco_certs1.txt").read_bytes()
    with pytest.raises(SignatureError):
        verify(evidence(hopper, chain), GENUINE_NONCE)


@pytest.mark.parametrize("flipped", [0, 15, 31])
def test_another_nonce_is_refused(hopper: bytes, certificates: bytes, flipped: int) -> None:
    """Each byte of it counts."""
    nonce = bytearray(GENUINE_NONCE)
    nonce[flipped] ^= 1
    with pytest.raises(BindingMismatchError):
        verify(evidence(hopper, certificates), bytes(nonce))


@pytest.mark.parametrize("report_data", [None, b"", GENUINE_NONCE[:-1]])
def test_report_data_must_be_there(
    hopper: bytes, certificates: bytes, report_data: bytes | None
) -> None:
    """A device that is bound to nothing proves nothing of this guest; shorter data is padded."""
    with pytest.raises(BindingMismatchError):
        verify(evidence(hopper, certificates), report_data)


def test_one_flipped_bit_anywhere_in_a_genuine_report_is_refused(
    hopper: bytes, certificates: bytes
) -> None:
    """Whatever the bit means, and whether it still parses."""
    # Every byte around the record, and each fifth of the record, which is signed like the rest.
    offsets = [*range(64), *range(64, 3560, 5), *range(3560, len(hopper))]
    refused: dict[str, int] = {}
    for offset in offsets:
        flipped = bytearray(hopper)
        flipped[offset] ^= 1 << offset % 8
        with pytest.raises((SignatureError, MalformedEvidenceError)) as refusal:
            verify(evidence(bytes(flipped), certificates), GENUINE_NONCE)
        code = refusal.value.code
        refused[code] = refused.get(code, 0) + 1
    assert sum(refused.values()) == len(offsets)
    assert refused["signature-invalid"] > 1000


def test_a_genuine_report_that_is_cut_or_longer_is_malformed(
    hopper: bytes, certificates: bytes
) -> None:
    """At every length."""
    for length in range(len(hopper)):
        body = evidence(b"", certificates, evidence=hopper[:length].hex())
        with pytest.raises(MalformedEvidenceError):
            verify(body, GENUINE_NONCE)
    for rest in (b"\1", b"\0\0", b"\0\1", hopper):
        with pytest.raises(MalformedEvidenceError):
            verify(evidence(hopper + rest, certificates), GENUINE_NONCE)


@pytest.mark.parametrize("number", range(5))
def test_one_flipped_bit_anywhere_in_a_genuine_chain_is_refused(
    hopper: bytes, certificates: bytes, number: int
) -> None:
    """Nothing in a certificate is without a check."""
    chain = pem_certificates(certificates)
    for offset in range(0, len(chain[number]), 3):
        flipped = bytearray(chain[number])
        flipped[offset] ^= 1 << offset % 8
        pem = b"".join(
            b"-----BEGIN CERTIFICATE-----\n%s\n-----END CERTIFICATE-----\n" % base64.b64encode(each)
            for each in [*chain[:number], bytes(flipped), *chain[number + 1 :]]
        )
        with pytest.raises(DomainError) as refusal:
            verify(evidence(hopper, pem), GENUINE_NONCE)
        assert type(refusal.value) in {ChainError, MalformedEvidenceError, UntrustedRootError}


def test_what_was_remembered_is_still_judged_by_the_clock(
    hopper: bytes, certificates: bytes
) -> None:
    """A chain that verified once does not verify before it began."""
    body = evidence(hopper, certificates)
    assert verify(body, GENUINE_NONCE)
    with pytest.raises(ExpiredCertificateError):
        verify(body, GENUINE_NONCE, now=NOON.replace(year=2022, month=2))


# --- A vendor of our own -----------------------------------------------------------------------


def test_a_simulated_device_is_verified(site: SimulatedNVIDIA, verifier: NVIDIAVerifier) -> None:
    """The faultless case that the mutations start from."""
    body = evidence(Report().signed_by(site.device), site.chain())
    (claims,) = verify(body, NONCE, verifier)
    assert claims.tee_class == "gpu"
    assert claims.values["measurements"] == {"1": "00" * 48, "2": bytes(range(48)).hex()}


def test_nobody_else_s_root_is_believed(site: SimulatedNVIDIA) -> None:
    """Without the operator's word."""
    with pytest.raises(UntrustedRootError):
        verify(evidence(Report().signed_by(site.device), site.chain()))


Made = tuple[bytes, list[Any]]


def said(**parts: Any) -> Callable[[SimulatedNVIDIA], Made]:
    """A report that says something else, and is signed."""
    return lambda site: (Report(**parts).signed_by(site.device), site.chain())


def leaf(plan: Plan, issuer: str = "identity", **issuing: Any) -> Callable[[SimulatedNVIDIA], Made]:
    """A report under another leaf."""

    def build(site: SimulatedNVIDIA) -> Made:
        device = issue(plan, getattr(site, issuer), **issuing)
        return Report().signed_by(device), site.chain(device)

    return build


def between(plan: Plan) -> Callable[[SimulatedNVIDIA], Made]:
    """A report under another intermediate."""

    def build(site: SimulatedNVIDIA) -> Made:
        identity = issue(plan, site.root)
        device = issue(leaf_plan(), identity)
        return Report().signed_by(device), [device, identity, site.root]

    return build


def fields(**changes: Any) -> Callable[[SimulatedNVIDIA], Made]:
    """Opaque data with other fields; ``None`` takes one away."""
    defaults = {3: b"550\0", 6: bytes.fromhex("009f0096"), 20: bytes(range(48))}
    defaults |= {15: b"882\0", 17: b"1010\0", 18: b"0200\0"}
    changed = defaults | {int(name[1:]): value for name, value in changes.items()}
    return said(opaque=opaque({kind: v for kind, v in changed.items() if v is not None}))


def by_another_key(site: SimulatedNVIDIA) -> Made:
    """A report that another device signed."""
    return Report().signed_by(issue(leaf_plan(), site.identity)), site.chain()


def twice(site: SimulatedNVIDIA) -> Made:
    """A certificate twice in the chain."""
    return Report().signed_by(site.device), [site.device, *site.chain()]


def turned(site: SimulatedNVIDIA) -> Made:
    """The chain the wrong way round."""
    return Report().signed_by(site.device), site.chain()[::-1]


def own_root(site: SimulatedNVIDIA) -> Made:
    """The names of the chain under another root's key."""
    other = SimulatedNVIDIA()
    return Report().signed_by(other.device), other.chain()


def grafted(site: SimulatedNVIDIA) -> Made:
    """Another vendor's chain, with the pinned root behind it."""
    other = SimulatedNVIDIA()
    return Report().signed_by(other.device), [other.device, other.identity, site.root]


YESTERDAY, TOMORROW = NOON - timedelta(seconds=1), NOON + timedelta(seconds=1)
CA = Plan("Simulated Identity")
MUTATIONS: dict[str, tuple[Callable[[SimulatedNVIDIA], Made], type[DomainError]]] = {
    "another root": (own_root, UntrustedRootError),
    "the pinned root behind another chain": (grafted, ChainError),
    "the chain turned round": (turned, UntrustedRootError),
    "a certificate twice": (twice, ChainError),
    "another key": (by_another_key, SignatureError),
    "a leaf that expired": (leaf(leaf_plan(not_after=YESTERDAY)), ExpiredCertificateError),
    "a leaf of tomorrow": (
        leaf(leaf_plan(not_before=TOMORROW)),
        ExpiredCertificateError,
    ),
    "a leaf of the root": (leaf(leaf_plan(), "root"), ChainError),
    "a leaf that names another issuer": (leaf(leaf_plan(), issuer_name="Nobody"), ChainError),
    "a leaf signed with SHA-256": (leaf(leaf_plan(hash=SHA256())), MalformedEvidenceError),
    "a leaf on another curve": (
        leaf(leaf_plan(curve=ec.SECP256R1())),
        MalformedEvidenceError,
    ),
    "a leaf that is an authority": (
        leaf(Plan("Device FMC", extensions={TCB_INFO: bytes(range(48))})),
        ChainError,
    ),
    "an intermediate that expired": (
        between(replace(CA, not_after=YESTERDAY)),
        ExpiredCertificateError,
    ),
    "an intermediate of tomorrow": (
        between(replace(CA, not_before=TOMORROW)),
        ExpiredCertificateError,
    ),
    "an intermediate that is no authority": (between(replace(CA, authority=False)), ChainError),
    "an intermediate that may not sign": (between(replace(CA, cert_sign=False)), ChainError),
    "a certificate for other firmware": (leaf(leaf_plan(bytes(48))), IdentityMismatchError),
    "a certificate without firmware": (
        leaf(Plan("Device FMC", authority=False)),
        IdentityMismatchError,
    ),
    "a report without firmware": (fields(f20=None), IdentityMismatchError),
    "a report of other firmware": (fields(f20=bytes(48)), IdentityMismatchError),
    "no driver version": (fields(f3=None), MalformedEvidenceError),
    "no firmware version": (fields(f6=None), MalformedEvidenceError),
    "an unknown field": (fields(f99=b""), MalformedEvidenceError),
    "a broken version": (fields(f6=b"\1"), MalformedEvidenceError),
    "broken counters": (fields(f12=b"\1\2\3"), MalformedEvidenceError),
    "broken switches": (fields(f22=bytes(7)), MalformedEvidenceError),
    "a number of nothing": (fields(f34=b""), MalformedEvidenceError),
    "a feature of nine bytes": (fields(f36=bytes(9)), MalformedEvidenceError),
    "a field twice": (said(opaque=opaque() + opaque()), MalformedEvidenceError),
    "a field that ends early": (said(opaque=opaque()[:-1]), MalformedEvidenceError),
    "no measurement": (said(blocks=[]), MalformedEvidenceError),
    "a measurement twice": (said(blocks=[block(1, b"a")] * 2), MalformedEvidenceError),
    "fewer measurements than said": (said(count=3), MalformedEvidenceError),
    "more measurements than said": (said(count=1), MalformedEvidenceError),
    "a measurement of another form": (
        said(blocks=[b"\1\2\4\0\1\1\0a"], count=1),
        MalformedEvidenceError,
    ),
    "a measurement of two lengths": (
        said(blocks=[b"\1\1\5\0\1\1\0ab"], count=1),
        MalformedEvidenceError,
    ),
    "another request": (said(request=b"\x11\xe1\x01\xff"), MalformedEvidenceError),
    "another response": (said(response=b"\x11\x61\0\0"), MalformedEvidenceError),
    "an error response": (said(response=b"\x11\x7f\0\0"), MalformedEvidenceError),
    "SPDM 1.2": (said(request=b"\x12\xe0\x01\xff"), MalformedEvidenceError),
    "another nonce": (said(nonce=bytes(32)), BindingMismatchError),
}


@pytest.mark.parametrize("name", MUTATIONS)
def test_each_thing_that_is_wrong_has_its_reason(
    site: SimulatedNVIDIA, verifier: NVIDIAVerifier, name: str
) -> None:
    """The leaf is exact, so operators and policies can tell."""
    build, expected = MUTATIONS[name]
    report, chain = build(site)
    with pytest.raises(DomainError) as refusal:
        verify(evidence(report, chain), NONCE, verifier)
    assert type(refusal.value) is expected


def test_every_field_of_opaque_data_has_its_form(
    site: SimulatedNVIDIA, verifier: NVIDIAVerifier
) -> None:
    """Numbers, names, lists; bytes of a text that are none are replaced."""
    report, chain = fields(
        f12=bytes.fromhex("0100000002000000"),
        f35=b"\xff1\0",
        f22=bytes(15) + b"\1",
        f34=b"\x02",
        f36=b"\x01\0\0\0",
        f4=b"\x80",
    )(site)
    (claims,) = verify(evidence(report, chain), NONCE, verifier)
    config = claims.values["config"]
    assert isinstance(config, dict)
    assert config["measurement_count"] == {"1": 1, "2": 2}
    assert config["chip_info"] == "�1"
    assert config["switch_pdi"] == ["00" * 8, "0000000000000001"]
    assert (config["opaque_data_version"], config["feature_flag"]) == (2, "MPT")
    assert config["gpu_info"] == "80"
    report, chain = fields(f36=b"\x07")(site)
    (claims,) = verify(evidence(report, chain), NONCE, verifier)
    assert claims.values["config"]["feature_flag"] == "unknown"


def test_every_device_is_verified(site: SimulatedNVIDIA, verifier: NVIDIAVerifier) -> None:
    """Each gives its claims; one that fails refuses all of them, and none counts twice."""
    other = issue(leaf_plan(), site.identity)
    first = evidence(Report().signed_by(site.device), site.chain())["device_evidence_list"]
    second = evidence(Report().signed_by(other), site.chain(other))["device_evidence_list"]
    assert len(verify({"device_evidence_list": first + second}, NONCE, verifier)) == 2
    again = evidence(Report().signed_by(site.device), site.chain())["device_evidence_list"]
    with pytest.raises(MalformedEvidenceError, match="one device"):
        verify({"device_evidence_list": first + again}, NONCE, verifier)
    wrong = evidence(Report(nonce=bytes(32)).signed_by(other), site.chain(other))
    with pytest.raises(BindingMismatchError):
        verify({"device_evidence_list": first + wrong["device_evidence_list"]}, NONCE, verifier)


@pytest.mark.parametrize("architecture", ["Blackwell", "BLACKWELL", "LS10"])
def test_other_architectures_are_not_verified_here(
    site: SimulatedNVIDIA, verifier: NVIDIAVerifier, architecture: str
) -> None:
    """Only NVIDIA's service knows their reports."""
    body = evidence(Report().signed_by(site.device), site.chain(), arch=architecture)
    with pytest.raises(MalformedEvidenceError, match="service only"):
        verify(body, NONCE, verifier)


# --- Shapes ------------------------------------------------------------------------------------

SHAPES: dict[str, dict[str, Any]] = {
    "an unknown architecture": {"arch": "Ampere"},
    "an architecture of a list": {"arch": ["HOPPER"]},
    "no architecture": {"arch": None},
    "a uuid of a number": {"uuid": 1},
    "a uuid of a megabyte": {"uuid": "1" * 2**20},
    "no evidence": {"evidence": None},
    "empty evidence": {"evidence": ""},
    "evidence that is no base64": {"evidence": "?"},
    "evidence of half a byte": {"evidence": "11e"},
    "evidence of a megabyte": {"evidence": "11" * 2**20},
    "no certificate": {"certificate": None},
    "certificates that are no PEM": {"certificate": "AAAA"},
    "certificates in hex": {"certificate": "00"},
    "certificates that are empty": {"certificate": "Cg=="},
    "no object": {"arch": 1},
}


@pytest.mark.parametrize("name", SHAPES)
def test_json_of_another_shape_is_malformed(site: SimulatedNVIDIA, name: str) -> None:
    """Never a crash, always the guest's fault."""
    body = evidence(Report().signed_by(site.device), site.chain(), **SHAPES[name])
    with pytest.raises(MalformedEvidenceError):
        verify(body)


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        "text",
        {},
        {"device_evidence_list": []},
        {"device_evidence_list": {}},
        {"device_evidence_list": [1]},
        {"device_evidence_list": [{}] * 33},
    ],
)
def test_an_empty_list_of_devices_proves_nothing(body: Any) -> None:
    """Neither does one that is no list, or of more than a machine has."""
    with pytest.raises(MalformedEvidenceError):
        verify(body)


@pytest.mark.parametrize("pem", [b"", b"?", b"-----BEGIN CERTIFICATE-----\n?"])
def test_a_file_without_roots_is_refused(pem: bytes) -> None:
    """The operator is told before anything is served."""
    with pytest.raises(ConfigError, match=r"insecure_extra_roots\.nvidia"):
        NVIDIAVerifier().with_extra_roots(pem)


def test_a_root_that_may_not_sign_is_refused(site: SimulatedNVIDIA) -> None:
    """A device is no root."""
    with pytest.raises(ConfigError, match="no authority"):
        NVIDIAVerifier().with_extra_roots(site.device.pem)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=12,
)


@settings(max_examples=100, deadline=None)
@given(JSON, st.sampled_from(["arch", "uuid", "evidence", "certificate"]))
def test_no_json_does_anything_but_be_refused(value: Any, member: str) -> None:
    """Whatever stands in the place of a part."""
    with pytest.raises(DomainError):
        verify(evidence(b"?", b"?", **{member: value}))


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_no_bytes_do_anything_but_be_refused(data: bytes) -> None:
    """As report and as chain."""
    with pytest.raises(DomainError):
        verify(evidence(data, data))
    begin = Report().request + NONCE + b"\0\x11\x60\0\0"
    with pytest.raises(DomainError):
        verify(evidence(begin + data, data))
