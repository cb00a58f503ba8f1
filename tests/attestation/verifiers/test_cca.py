"""CCA evidence: the published token, simulated platforms, and every refusal for its reason."""

from __future__ import annotations

import collections
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from fakes import NOON
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from paths import VECTORS
from simulated.cca import (
    IMPLEMENTATION,
    INSTANCE,
    SimulatedCCA,
    collection,
    component,
    cose_key,
    point,
    reference,
    sign,
)
from simulated.collateral import MemoryCollateral

from app.attestation.evidence import (
    Binding,
    Claims,
    Context,
    OptionedVerifier,
    UnverifiedEvidence,
)
from app.attestation.verifiers.cca import VERIFIER, CCAVerifier
from app.trust.errors import (
    BindingMismatchError,
    ChainError,
    CollateralMismatchError,
    CollateralUnavailableError,
    ConfigError,
    DomainError,
    InitDataMismatchError,
    MalformedEvidenceError,
    SignatureError,
    TCBUnsupportedError,
    UntrustedRootError,
)

CCA = VECTORS / "cca"
TOKEN = (CCA / "cca-example-token.cbor").read_bytes()
EXPECTED = json.loads((CCA / "cca-example-token.claims.json").read_text("utf-8"))
OPTIONS = {
    "trust_anchors_file": str(CCA / "tastore.json"),
    "reference_values_file": str(CCA / "rvstore.json"),
}
GENUINE = Binding(bytes.fromhex(EXPECTED["report_data"]), bytes.fromhex(EXPECTED["init_data"]))
BOUND = Binding(b"bound")
SITE = SimulatedCCA()
STRANGER = ec.generate_private_key(ec.SECP384R1())


@pytest.fixture(scope="module")
def options(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Files that know the simulated platform."""
    return SITE.write_files(tmp_path_factory.mktemp("cca"))


def verify(
    token: bytes, options: dict[str, str], binding: Binding = BOUND, verifier: Any = VERIFIER
) -> Claims:
    """The one set of claims, or the refusal."""
    evidence = UnverifiedEvidence("cca", {"token": [*token]})
    (claims,) = verifier.verify(evidence, binding, Context(NOON, MemoryCollateral({}), options))
    return claims


def test_every_changed_byte_of_the_published_token_is_refused() -> None:
    """One bit and all bits of each byte; the reasons are those of a token."""
    reasons: collections.Counter[type[DomainError]] = collections.Counter()
    for offset in range(len(TOKEN)):
        for change in (1 << offset % 8, 0xFF):
            changed = bytearray(TOKEN)
            changed[offset] ^= change
            with pytest.raises(DomainError) as refusal:
                verify(bytes(changed), OPTIONS, GENUINE)
            reasons[type(refusal.value)] += 1
    assert set(reasons) == {SignatureError, MalformedEvidenceError, UntrustedRootError}
    assert reasons.total() == 2 * len(TOKEN)


def test_every_truncation_of_the_published_token_is_malformed() -> None:
    """And so is a byte too many."""
    for length in range(len(TOKEN)):
        with pytest.raises(MalformedEvidenceError):
            verify(TOKEN[:length], OPTIONS, GENUINE)
    with pytest.raises(MalformedEvidenceError):
        verify(TOKEN + b"\0", OPTIONS, GENUINE)


# --- Mutations ---------------------------------------------------------------------------------


def platform(**changes: Any) -> Callable[[], bytes]:
    """A token whose platform says something else, and signs it."""
    return lambda: SITE.token(platform=SITE.platform(**changes))


def realm(**changes: Any) -> Callable[[], bytes]:
    """A token whose realm says something else, and signs it."""
    return lambda: SITE.token(realm=SITE.realm(b"bound", **changes))


def messages(first: bytes | None = None, second: bytes | None = None) -> bytes:
    """A token of other messages."""
    return collection(
        first or sign(SITE.cpak, cbor2.dumps(SITE.platform())),
        second or sign(SITE.rak, cbor2.dumps(SITE.realm(b"bound"))),
    )


def signed(**header: Any) -> Callable[[], bytes]:
    """A token whose platform message has other headers."""
    return lambda: messages(sign(SITE.cpak, cbor2.dumps(SITE.platform()), **header))


def in_place_of_the_realm(rak: ec.EllipticCurvePrivateKey) -> bytes:
    """A realm token of a key that the platform knows nothing of."""
    return messages(second=sign(rak, cbor2.dumps(SITE.realm(b"bound", l44237=point(rak)))))


MUTATIONS: dict[str, tuple[Callable[[], bytes], type[DomainError]]] = {
    "an unknown platform": (platform(l256=b"\x01" + bytes(32)), UntrustedRootError),
    "another platform's key": (
        lambda: messages(sign(STRANGER, cbor2.dumps(SITE.platform()))),
        SignatureError,
    ),
    "a key of another curve": (
        lambda: messages(
            sign(ec.generate_private_key(ec.SECP256R1()), cbor2.dumps(SITE.platform()))
        ),
        SignatureError,
    ),
    "another implementation": (platform(l2396=bytes(32)), CollateralMismatchError),
    "a platform in the making": (platform(l2395=0x1000), TCBUnsupportedError),
    "a platform of no known state": (platform(l2395=0x0000), TCBUnsupportedError),
    "a debugged platform": (platform(l2395=0x5000), TCBUnsupportedError),
    "a platform out of service": (platform(l2395=0x6000), TCBUnsupportedError),
    "a state beyond all": (platform(l2395=0xFF00), TCBUnsupportedError),
    "another key's realm": (lambda: in_place_of_the_realm(STRANGER), ChainError),
    "a challenge that is no digest of the key": (platform(l10=bytes(32)), ChainError),
    "another digest of the key": (realm(l44240="sha-512"), ChainError),
    "a realm token of another key": (
        lambda: messages(second=sign(STRANGER, cbor2.dumps(SITE.realm(b"bound")))),
        SignatureError,
    ),
    "other firmware": (platform(l2399=[component(1), component(3)]), TCBUnsupportedError),
    "firmware in another order": (
        platform(l2399=[component(2), component(1)]),
        TCBUnsupportedError,
    ),
    "less firmware": (platform(l2399=[component(1)]), TCBUnsupportedError),
    "more firmware": (platform(l2399=[component(each) for each in (1, 2, 3)]), TCBUnsupportedError),
    "firmware of another signer": (
        platform(l2399=[component(1), component(2, **{"5": bytes(32)})]),
        TCBUnsupportedError,
    ),
    "firmware of another type": (
        platform(l2399=[component(1), component(2, **{"1": "BL3"})]),
        TCBUnsupportedError,
    ),
    "another configuration": (platform(l2401=b"\xcf" * 3), TCBUnsupportedError),
}


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_mutation_is_refused_for_its_reason(options: dict[str, str], name: str) -> None:
    """One thing is wrong, and the reason code says which."""
    build, error = MUTATIONS[name]
    with pytest.raises(error) as refusal:
        verify(build(), options)
    assert type(refusal.value) is error


MALFORMED: dict[str, Callable[[], bytes]] = {
    "nothing": lambda: b"",
    "no tag": lambda: cbor2.dumps({44234: b"", 44241: b""}),
    "another tag": lambda: collection(b"", b"", tag=907),
    "no map": lambda: cbor2.dumps(cbor2.CBORTag(399, [b"", b""])),
    "one message": lambda: cbor2.dumps(cbor2.CBORTag(399, {44234: b""})),
    "three messages": lambda: cbor2.dumps(cbor2.CBORTag(399, {44234: b"", 44241: b"", 1: b""})),
    "text for messages": lambda: cbor2.dumps(cbor2.CBORTag(399, {44234: "", 44241: ""})),
    "a label that is a float": lambda: cbor2.dumps(cbor2.CBORTag(399, {44234.0: b"", 44241: b""})),
    "no signature's message": lambda: messages(cbor2.dumps([])),
    "a message of another tag": lambda: messages(
        cbor2.dumps(cbor2.CBORTag(17, [b"", {}, b"", b""]))
    ),
    "an unknown algorithm": signed(protected=cbor2.dumps({1: -8})),
    "no algorithm": signed(protected=b""),
    "an algorithm that is text": signed(protected=cbor2.dumps({1: "ES384"})),
    "a critical header": signed(protected=cbor2.dumps({1: -35, 2: [1]})),
    "the signature of another algorithm": signed(protected=cbor2.dumps({1: -7})),
    "a header that is no map": signed(unprotected=[]),
    "a protected header that is no map": signed(protected=b"\x01"),
    "no profile": platform(l265=None),
    "an unknown platform profile": platform(l265="tag:arm.com,2023:realm#1.0.0"),
    "a short challenge": platform(l10=bytes(31)),
    "a long implementation id": platform(l2396=bytes(33)),
    "a short instance id": platform(l256=INSTANCE[:-1]),
    "no configuration": platform(l2401=None),
    "a lifecycle that is a boolean": platform(l2395=True),
    "a lifecycle of three bytes": platform(l2395=0x10000),
    "a negative lifecycle": platform(l2395=-1),
    "no firmware": platform(l2399=[]),
    "too much firmware": platform(l2399=[component(1)] * 65),
    "firmware that is text": platform(l2399=["BL1"]),
    "firmware without a signer": platform(l2399=[{2: bytes(32)}]),
    "firmware with a short digest": platform(l2399=[{2: bytes(31), 5: bytes(32)}]),
    "a number for a version": platform(l2399=[component(1, **{"4": 1})]),
    "no hash algorithm": platform(l2402=None),
    "an unknown realm profile": realm(l265="tag:arm.com,2024:realm#2.0.0"),
    "a short realm challenge": realm(l10=bytes(63)),
    "a short personalization": realm(l44235=bytes(63)),
    "a short initial measurement": realm(l44238=bytes(63)),
    "three registers": realm(l44239=[bytes(64)] * 3),
    "a short register": realm(l44239=[bytes(64)] * 3 + [bytes(1)]),
    "a key hashed in another way": realm(l44240="sha-384"),
    "a key of another curve": realm(
        l44237=point(ec.generate_private_key(ec.SECP256R1())),
    ),
    "a compressed key": realm(l44237=b"\x02" + point(SITE.rak)[1:49]),
    "a key off the curve": realm(l44237=b"\x04" + bytes([1]) * 96),
    "a point where the profile has a COSE key": realm(l265="tag:arm.com,2023:realm#1.0.0"),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_token_of_another_shape_is_malformed(options: dict[str, str], name: str) -> None:
    """Said as such, and not by a crash."""
    with pytest.raises(MalformedEvidenceError):
        verify(MALFORMED[name](), options)


BODIES: list[Any] = [
    *(None, [], "?", {}, {"token": "?"}),
    *({"token": [each]} for each in (256, -1, True, 1.0, None)),
    {"token": [0] * (16 * 1024 + 1)},
]


@pytest.mark.parametrize("body", BODIES)
def test_json_of_another_shape_is_malformed(options: dict[str, str], body: Any) -> None:
    """The token is an array of at most 16 KiB."""
    context = Context(NOON, MemoryCollateral({}), options)
    with pytest.raises(MalformedEvidenceError):
        VERIFIER.verify(UnverifiedEvidence("cca", body), BOUND, context)


@settings(max_examples=200, deadline=None)
@given(junk=st.binary(min_size=1, max_size=300), at=st.integers(0, len(TOKEN)))
def test_junk_in_a_token_is_a_refusal(junk: bytes, at: int) -> None:
    """Nothing but a domain error comes out, and never claims."""
    changed = TOKEN[:at] + junk + TOKEN[at + len(junk) :]
    assume(changed != TOKEN)
    with pytest.raises(DomainError):
        verify(changed, OPTIONS, GENUINE)


LABELS = (265, 10, 2396, 256, 2401, 2395, 2402, 2399)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda each: st.lists(each) | st.dictionaries(st.integers() | st.text(), each),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None)
@given(label=st.sampled_from(LABELS), junk=ANYTHING)
def test_signed_junk_is_a_refusal(options: dict[str, str], label: int, junk: Any) -> None:
    """Even a platform that is trusted may say what it likes."""
    assume(junk is not None)
    # Any text may name the hash of what has no own, and a good lifecycle state is no junk.
    assume(not (label == 2402 and isinstance(junk, str)))
    assume(not (label == 2395 and isinstance(junk, int) and junk >> 8 in (0x30, 0x40)))
    with pytest.raises(DomainError):
        verify(platform(**{f"l{label}": junk})(), options)


BINDINGS: dict[str, tuple[Binding, type[DomainError]]] = {
    "no report data": (Binding(None), BindingMismatchError),
    "other report data": (Binding(b"other"), BindingMismatchError),
    "a longer value": (Binding(b"bound!"), BindingMismatchError),
    "nothing": (Binding(b""), BindingMismatchError),
    "a prefix": (Binding(b"boun"), BindingMismatchError),
    "65 bytes": (Binding(b"bound".ljust(65, b"\0")), BindingMismatchError),
    "other init data": (Binding(b"bound", b"\x01" * 64), InitDataMismatchError),
    "short init data": (Binding(b"bound", bytes(48)), InitDataMismatchError),
    "long init data": (Binding(b"bound", bytes(65)), InitDataMismatchError),
}


@pytest.mark.parametrize("name", BINDINGS)
def test_evidence_bound_to_something_else_is_refused(options: dict[str, str], name: str) -> None:
    """A realm for someone else's key, nonce or init data is not ours."""
    binding, error = BINDINGS[name]
    with pytest.raises(error) as refusal:
        verify(SITE.token(), options, binding)
    assert type(refusal.value) is error


# --- The operator's files ----------------------------------------------------------------------


def test_without_the_operators_files_nothing_is_verified(options: dict[str, str]) -> None:
    """CCA has no vendor's root; the refusal names the options."""
    with pytest.raises(CollateralUnavailableError, match="trust_anchors_file"):
        verify(TOKEN, {}, GENUINE)
    gone = {**options, "reference_values_file": "/gone/values.json"}
    with pytest.raises(CollateralUnavailableError, match=r"^values\.json: No such file"):
        verify(SITE.token(), gone)


REFERENCES: dict[str, dict[str, Any]] = {
    "another implementation": {"implementation_id": bytes(32).hex()},
    "another version": {"sw_components": [reference(1), reference(2, version="1.0")]},
    "no components": {"sw_components": []},
}


@pytest.mark.parametrize("name", REFERENCES)
def test_a_platform_that_runs_something_else_is_refused(tmp_path: Path, name: str) -> None:
    """Or one that nobody has said anything about."""
    with pytest.raises(TCBUnsupportedError):
        verify(SITE.token(), SITE.write_files(tmp_path, **REFERENCES[name]))


def test_types_and_versions_count_where_the_reference_gives_them(tmp_path: Path) -> None:
    """An operator may leave them open."""
    open_ones = [reference(1, component_type=None), reference(2)]
    assert verify(SITE.token(), SITE.write_files(tmp_path, sw_components=open_ones))
    versions = [reference(1), reference(2, version="1.0")]
    told = SITE.platform(l2399=[component(1), component(2, **{"4": "1.0"})])
    assert verify(SITE.token(told), SITE.write_files(tmp_path, sw_components=versions))


def test_changed_files_are_read_again(tmp_path: Path) -> None:
    """A platform that is taken out of the file is refused at once."""
    verifier = CCAVerifier()
    options = SITE.write_files(tmp_path)
    assert verify(SITE.token(), options, verifier=verifier)
    Path(options["trust_anchors_file"]).write_text("[]", "utf-8")
    with pytest.raises(UntrustedRootError):
        verify(SITE.token(), options, verifier=verifier)
    Path(options["trust_anchors_file"]).write_text("[", "utf-8")
    with pytest.raises(CollateralUnavailableError):
        verify(SITE.token(), options, verifier=verifier)


ANCHOR = json.loads((CCA / "tastore.json").read_text("utf-8"))[0]
PLATFORM = json.loads((CCA / "rvstore.json").read_text("utf-8"))["platform"][0]
BAD_ANCHORS: dict[str, Any] = {
    "no array": {},
    "no object": [1],
    "no key": [{**ANCHOR, "pkey": None}],
    "an RSA key": [{**ANCHOR, "pkey": {"kty": "RSA"}}],
    "another curve": [{**ANCHOR, "pkey": {**ANCHOR["pkey"], "crv": "P-256"}}],
    "a key off the curve": [{**ANCHOR, "pkey": {**ANCHOR["pkey"], "x": ANCHOR["pkey"]["y"]}}],
    "a number for a coordinate": [{**ANCHOR, "pkey": {**ANCHOR["pkey"], "x": 1}}],
    "a short instance": [{**ANCHOR, "instance-id": "01"}],
    "no hex": [{**ANCHOR, "implementation-id": "zz"}],
    "twice the same": [ANCHOR, ANCHOR],
}
BAD_VALUES: dict[str, Any] = {
    "no object": [],
    "no platforms": {},
    "a platform that is text": {"platform": ["?"]},
    "no components": {"platform": [{**PLATFORM, "sw-components": None}]},
    "a component that is text": {"platform": [{**PLATFORM, "sw-components": ["?"]}]},
    "a component without a signer": {
        "platform": [{**PLATFORM, "sw-components": [{"measurement-value": "00"}]}]
    },
    "a number for a version": {
        "platform": [{**PLATFORM, "sw-components": [{**reference(1), "version": 1}]}]
    },
    "no configuration": {"platform": [{**PLATFORM, "platform-configuration": None}]},
    "a short implementation": {"platform": [{**PLATFORM, "implementation-id": "00"}]},
}


@pytest.mark.parametrize("name", BAD_ANCHORS)
def test_bad_trust_anchors_are_told_at_the_start(tmp_path: Path, name: str) -> None:
    """By the name of the option."""
    path = tmp_path / "anchors.json"
    path.write_text(json.dumps(BAD_ANCHORS[name]), "utf-8")
    with pytest.raises(ConfigError, match=r"cca\.trust_anchors_file"):
        CCAVerifier().check_options({**OPTIONS, "trust_anchors_file": str(path)})


@pytest.mark.parametrize("name", BAD_VALUES)
def test_bad_reference_values_are_told_at_the_start(tmp_path: Path, name: str) -> None:
    """By the name of the option."""
    path = tmp_path / "values.json"
    path.write_text(json.dumps(BAD_VALUES[name]), "utf-8")
    with pytest.raises(ConfigError, match=r"cca\.reference_values_file"):
        CCAVerifier().check_options({**OPTIONS, "reference_values_file": str(path)})


def test_every_fault_of_the_options_is_told() -> None:
    """Missing, of another type, and unknown."""
    with pytest.raises(ConfigError) as refusal:
        CCAVerifier().check_options({"trust_anchors_file": 1, "address": "https://x"})
    assert len(refusal.value.faults) == 3


# --- Acceptance --------------------------------------------------------------------------------


def test_the_published_token_gives_its_claims() -> None:
    """With the files that were published beside it; init data may be left out."""
    CCAVerifier().check_options(OPTIONS)
    assert verify(TOKEN, OPTIONS, GENUINE) == Claims("cpu", EXPECTED)
    assert verify(TOKEN, OPTIONS, Binding(GENUINE.report_data)) == Claims("cpu", EXPECTED)


@pytest.mark.parametrize("curve", [ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1()])
def test_realm_keys_of_every_curve_come_as_cose_keys(tmp_path: Path, curve: Any) -> None:
    """In tokens that name the realm's profile; platforms may have any of the curves, too."""
    site = SimulatedCCA(*(ec.generate_private_key(curve) for _ in range(2)))
    key = cose_key(site.rak)
    token = site.token(
        site.platform(l10=hashlib.sha512(key).digest()),
        site.realm(b"bound", l44237=key, l44240="sha-512", l265="tag:arm.com,2023:realm#1.0.0"),
    )
    claims = verify(token, site.write_files(tmp_path)).values
    assert claims["report_data"] == b"bound".ljust(64, b"\0").hex()
    assert claims["platform"] != EXPECTED["platform"]


def test_messages_without_a_tag_and_with_open_headers_are_read(options: dict[str, str]) -> None:
    """RFC 9052 allows both; what is signed decides nothing else."""
    untagged = sign(SITE.cpak, cbor2.dumps(SITE.platform()), tagged=False)
    assert verify(messages(untagged), options)
    assert verify(signed(protected=b"", unprotected={1: -35})(), options)


@pytest.mark.parametrize("lifecycle", [0x3000, 0x30FF, 0x4000])
def test_platforms_in_service_are_accepted(options: dict[str, str], lifecycle: int) -> None:
    """Secured, or debugged outside of what CCA protects."""
    assert verify(platform(l2395=lifecycle)(), options)


def test_the_built_in_verifier_has_options() -> None:
    """They are judged before anything is served."""
    assert (VERIFIER.tee, VERIFIER.insecure) == ("cca", False)
    assert isinstance(VERIFIER, OptionedVerifier)
    assert len(IMPLEMENTATION) == 32
