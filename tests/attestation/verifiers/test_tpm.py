"""What the verifier of TPMs alone proves, refuses and claims."""

from __future__ import annotations

import base64
import copy
import hashlib
import json
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from fakes import NOON
from hypothesis import given, settings
from hypothesis import strategies as st
from paths import VECTORS
from simulated.collateral import MemoryCollateral
from simulated.dcap_site import flipped, refusal

from app.attestation.evidence import Binding, Context, OptionedVerifier, UnverifiedEvidence
from app.attestation.verifiers.tpm import VERIFIER
from app.lab.vtpm import QuotePlan, registers, sign, spki, tpm_evidence, tpmt_signature
from app.trust.errors import ConfigError

GENUINE: dict[str, Any] = json.loads((VECTORS / "tpm" / "tpm_evidence.json").read_text("utf-8"))
REPORT_DATA = hashlib.sha384(b"simulated").digest()
INIT_DATA = hashlib.sha256(b"init data").digest()
PLAN = QuotePlan(REPORT_DATA[:32], registers(INIT_DATA))
UNBOUND = Binding(None)


def fingerprint(encoded: bytes) -> str:
    """How a key is enrolled."""
    return hashlib.sha256(encoded).hexdigest()


ENROLLED = {
    "trusted_aks": [fingerprint(spki()), fingerprint(base64.b64decode(GENUINE["ak_public"]))]
}


def verify(
    evidence: Any, binding: Binding | None = None, options: dict[str, Any] | None = None
) -> dict[str, Any]:
    """The claims; both the simulated and the genuine key are enrolled."""
    context = Context(NOON, MemoryCollateral({}), ENROLLED if options is None else options)
    (claims,) = VERIFIER.verify(
        UnverifiedEvidence("tpm", evidence),
        binding or Binding(REPORT_DATA, INIT_DATA),
        context,
    )
    assert claims.tee_class == "cpu"
    return claims.values


def with_part(evidence: dict[str, Any], name: str, data: bytes) -> dict[str, Any]:
    """The same evidence with another message, signature or key."""
    copied = copy.deepcopy(evidence)
    place = copied if name == "ak_public" else copied["tpm_quote"]
    place[name] = base64.b64encode(data).decode()
    return copied


def part(evidence: dict[str, Any], name: str) -> bytes:
    """The bytes of the message, the signature or the key."""
    place = evidence if name == "ak_public" else evidence["tpm_quote"]
    return base64.b64decode(place[name])


# --- What is accepted --------------------------------------------------------------------------


def test_genuine_evidence_gives_the_published_claims() -> None:
    """By an enrolled key, without report data."""
    expected = json.loads((VECTORS / "tpm" / "tpm_evidence.claims.json").read_text("utf-8"))
    assert verify(GENUINE, UNBOUND) == expected


def test_a_quote_is_bound_to_report_data_and_init_data() -> None:
    """Of 48 bytes of report data the first 32 count, of init data all 32."""
    claims = verify(tpm_evidence(PLAN))
    assert claims["report_data"] == REPORT_DATA[:32].hex()
    assert claims["init_data"] == hashlib.sha256(bytes(32) + INIT_DATA).hexdigest()


@pytest.mark.parametrize("length", [0, 1, 20, 31, 32, 33, 48, 64])
def test_report_data_is_resized_to_32_bytes(length: int) -> None:
    """Padded with zeros or cut, as guests do it."""
    expected = bytes(range(1, length + 1))
    plan = QuotePlan(expected[:32].ljust(32, b"\0"))
    assert verify(tpm_evidence(plan), Binding(expected))


# --- Whose key ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options", [{}, {"trusted_aks": []}, {"trusted_aks": ["00" * 32]}, {"insecure_any_ak": False}]
)
def test_a_key_that_is_not_enrolled_is_refused(options: dict[str, Any]) -> None:
    """wire.md 14.2 #37: a genuine signature by anyone's key proves nothing."""
    code = refusal(lambda: verify(GENUINE, UNBOUND, options))
    assert code == "attestation-key-untrusted"


def test_policy_sees_that_a_key_is_not_enrolled() -> None:
    """An operator may ask for every key; the claim is there for those that are not enrolled."""
    every_key = {"insecure_any_ak": True}
    assert verify(GENUINE, UNBOUND, every_key)["ak_trusted"] is False
    assert "ak_trusted" not in verify(GENUINE, UNBOUND, ENROLLED | every_key)


def public(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    """SubjectPublicKeyInfo, DER."""
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


KEYS = {
    "noise": b"noise",
    "nothing": b"",
    "an ECDSA key": public(ec.generate_private_key(ec.SECP256R1())),
    "RSA of 1024 bits": public(rsa.generate_private_key(65537, 1024)),  # noqa: S505 - to refuse it
    "RSA with exponent 3": public(rsa.generate_private_key(3, 2048)),
    "more than a kilobyte": bytes(1025),
}


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
def test_only_keys_that_tpms_have_are_loaded(key: bytes) -> None:
    """Even where every key is accepted, and even where this one is enrolled."""
    evidence = with_part(GENUINE, "ak_public", key)
    for options in ({"insecure_any_ak": True}, {"trusted_aks": [fingerprint(key)]}):
        code = refusal(lambda o=options: verify(evidence, UNBOUND, o))
        assert code == "malformed-evidence"


OPTIONS: dict[str, dict[str, Any]] = {
    "unknown": {"trusted_ak": []},
    "a text": {"trusted_aks": "00" * 32},
    "capitals": {"trusted_aks": ["AA" * 32]},
    "too short": {"trusted_aks": ["00" * 31]},
    "a number": {"trusted_aks": [0]},
    "no switch": {"insecure_any_ak": "true"},
    "a number as switch": {"insecure_any_ak": 1},
}


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_refuses_options_that_it_does_not_know(options: dict[str, Any]) -> None:
    """A typing error must not weaken anything silently."""
    assert isinstance(VERIFIER, OptionedVerifier)
    with pytest.raises(ConfigError, match=r"verifier_options\.tpm\."):
        VERIFIER.check_options(options)
    VERIFIER.check_options(ENROLLED | {"insecure_any_ak": True})


# --- What is refused ---------------------------------------------------------------------------


def test_a_genuine_quote_over_64_bytes_matches_no_report_data() -> None:
    """Expected values have 32 bytes after resizing; a longer one in the quote is another."""
    carried = bytes.fromhex(verify(GENUINE, UNBOUND)["report_data"])
    assert len(carried) == 64
    for expected in (carried, carried[:32], b"", b"other"):
        code = refusal(lambda e=expected: verify(GENUINE, Binding(e)))
        assert code == "binding-mismatch"


BINDINGS = {
    "other report data": (Binding(b"other"), "binding-mismatch"),
    "31 of its bytes": (Binding(REPORT_DATA[:31]), "binding-mismatch"),
    "other init data": (Binding(REPORT_DATA, bytes(32)), "init-data-mismatch"),
    "init data of 20 bytes": (Binding(REPORT_DATA, INIT_DATA[:20]), "init-data-mismatch"),
    "init data of 48 bytes": (Binding(None, INIT_DATA + bytes(16)), "init-data-mismatch"),
    "init data of no bytes": (Binding(None, b""), "init-data-mismatch"),
}


@pytest.mark.parametrize(("binding", "code"), BINDINGS.values(), ids=BINDINGS)
def test_refuses_evidence_bound_to_something_else(binding: Binding, code: str) -> None:
    """wire.md 14.2 #35: digests of other lengths are refusals, and no crash."""
    evidence = tpm_evidence(PLAN)
    assert refusal(lambda: verify(evidence, binding)) == code


ALL = bytes.fromhex("ffffff")
QUOTES: dict[str, tuple[QuotePlan, str]] = {
    "other registers": (
        QuotePlan(PLAN.extra_data, PLAN.quoted, [(0x0B, bytes.fromhex("fff6ff"))]),
        "register-mismatch",
    ),
    "another bank": (QuotePlan(PLAN.extra_data, PLAN.quoted, [(4, ALL)]), "register-mismatch"),
    "two banks": (
        QuotePlan(PLAN.extra_data, PLAN.quoted, [(0x0B, ALL), (4, ALL)]),
        "register-mismatch",
    ),
    "no bank": (QuotePlan(PLAN.extra_data, PLAN.quoted, []), "register-mismatch"),
    "17 banks": (
        QuotePlan(PLAN.extra_data, PLAN.quoted, [(0x0B, ALL)] * 17),
        "malformed-evidence",
    ),
    "eight registers": (QuotePlan(PLAN.extra_data, PLAN.quoted[:8]), "malformed-evidence"),
    "other magic": (
        QuotePlan(PLAN.extra_data, PLAN.quoted, magic=b"\xffTCH"),
        "malformed-evidence",
    ),
    "a certification": (
        QuotePlan(PLAN.extra_data, PLAN.quoted, kind=b"\x80\x17"),
        "malformed-evidence",
    ),
    "a byte too many": (QuotePlan(PLAN.extra_data, PLAN.quoted, tail=b"\0"), "malformed-evidence"),
    "67 bytes of extra data": (QuotePlan(bytes(67), PLAN.quoted), "malformed-evidence"),
}


@pytest.mark.parametrize(("plan", "code"), QUOTES.values(), ids=QUOTES)
def test_refuses_quotes_that_are_signed_and_still_wrong(plan: QuotePlan, code: str) -> None:
    """wire.md 14.2 #36: what a TPM, or a key outside of one, would sign for an attacker."""
    evidence = tpm_evidence(plan)
    assert refusal(lambda: verify(evidence)) == code


LISTS: dict[str, Callable[[list[bytes]], list[bytes]]] = {
    "one left out": lambda pcrs: pcrs[:-1],
    "two exchanged": lambda pcrs: [pcrs[1], pcrs[0], *pcrs[2:]],
    "one changed": lambda pcrs: [*pcrs[:11], bytes(32), *pcrs[12:]],
}


@pytest.mark.parametrize("change", LISTS.values(), ids=LISTS)
def test_a_changed_list_of_registers_is_refused(
    change: Callable[[list[bytes]], list[bytes]],
) -> None:
    """What is claimed is what was quoted."""
    evidence = tpm_evidence(PLAN, change(registers(INIT_DATA)))
    assert refusal(lambda: verify(evidence)) == "register-mismatch"


BARE = sign(PLAN.message())
SIGNATURES = {
    "bare": BARE,
    "RSAPSS": tpmt_signature(BARE, scheme=0x16),
    "ECDSA": tpmt_signature(BARE, scheme=0x18),
    "SHA-1": tpmt_signature(BARE, digest=0x04),
    "SHA-384": tpmt_signature(BARE, digest=0x0C),
    "a byte too many": tpmt_signature(BARE) + b"\0",
    "nothing": b"",
}


@pytest.mark.parametrize("signature", SIGNATURES.values(), ids=SIGNATURES)
def test_only_rsassa_with_sha256_is_read(signature: bytes) -> None:
    """Other schemes are refused by name, not by luck."""
    evidence = with_part(tpm_evidence(PLAN), "signature", signature)
    assert refusal(lambda: verify(evidence)) == "malformed-evidence"


# --- Every byte --------------------------------------------------------------------------------

EXPECTED: dict[str, dict[str, int]] = {
    # Magic and type (6), three sizes (6), safe (1), the number of banks (4), the bitmap's size (1).
    "message": {"malformed-evidence": 18, "signature-invalid": 159},
    "signature": {"malformed-evidence": 6, "signature-invalid": 256},
    "ak_public": {"attestation-key-untrusted": 294},
}


@pytest.mark.parametrize("name", EXPECTED)
def test_no_byte_of_a_genuine_quote_can_change(name: str) -> None:
    """One bit in each byte; the counts leave no byte without a check."""
    data = part(GENUINE, name)
    found: Counter[str] = Counter()
    for at in range(len(data)):
        changed = with_part(GENUINE, name, flipped(data, at, at % 8))
        found[refusal(lambda c=changed: verify(c, UNBOUND))] += 1
    assert found == EXPECTED[name]


@pytest.mark.parametrize("name", ["message", "signature"])
def test_truncated_and_prolonged_parts_are_malformed(name: str) -> None:
    """At every length below the honest one, and one byte above it."""
    data = part(GENUINE, name)
    parts = [data[:length] for length in range(len(data))] + [data + b"\0"]
    codes = {refusal(lambda p=p: verify(with_part(GENUINE, name, p), UNBOUND)) for p in parts}
    assert codes == {"malformed-evidence"}


EDITS: dict[str, Any] = {
    "no object": [],
    "no key": {name: value for name, value in GENUINE.items() if name != "ak_public"},
    "a key that is a number": GENUINE | {"ak_public": 1},
    "a key that is no base64": GENUINE | {"ak_public": "@"},
    "no quote": {"ak_public": GENUINE["ak_public"]},
    "a quote that is a text": GENUINE | {"tpm_quote": "quote"},
    "no message": GENUINE | {"tpm_quote": GENUINE["tpm_quote"] | {"message": None}},
    "a long message": GENUINE | {"tpm_quote": GENUINE["tpm_quote"] | {"message": "A" * 2048}},
    "no registers": GENUINE | {"tpm_quote": GENUINE["tpm_quote"] | {"pcrs": []}},
    "registers of integers": GENUINE | {"tpm_quote": GENUINE["tpm_quote"] | {"pcrs": [[0] * 32]}},
    "25 registers": GENUINE | {"tpm_quote": GENUINE["tpm_quote"] | {"pcrs": ["00" * 32] * 25}},
}


@pytest.mark.parametrize("evidence", EDITS.values(), ids=EDITS)
def test_malformed_evidence_is_malformed(evidence: Any) -> None:
    """Whatever the shape, the answer says that the evidence does not parse."""
    assert refusal(lambda: verify(evidence, UNBOUND)) == "malformed-evidence"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None)
@given(JSON, st.sampled_from(["message", "signature", "pcrs"]))
def test_no_json_escapes(value: Any, name: str) -> None:
    """Whatever stands in the place of evidence or of a member, only reasons leave."""
    quote = GENUINE["tpm_quote"] | {name: value}
    bodies = (value, GENUINE | {"ak_public": value}, GENUINE | {"tpm_quote": quote})
    for body in bodies:
        code = refusal(lambda b=body: verify(b, UNBOUND))
        assert code in {"malformed-evidence", "attestation-key-untrusted"}
