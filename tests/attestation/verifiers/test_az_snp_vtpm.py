"""What the verifier of Azure's SNP machines proves, refuses and claims."""

from __future__ import annotations

import base64
import copy
import hashlib
import json
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from fakes import NOON
from hypothesis import given, settings
from hypothesis import strategies as st
from paths import VECTORS
from simulated.amd_authority import SimulatedAMD
from simulated.collateral import MemoryCollateral, genuine_amd
from simulated.dcap_site import flipped, refusal
from simulated.vtpm import (
    TDX,
    AzureSNP,
    QuotePlan,
    ak,
    bound_to,
    hcl_report,
    member,
    quote_member,
    registers,
    variable_data,
)

from app.attestation.evidence import (
    Binding,
    Context,
    OptionedVerifier,
    RootedVerifier,
    UnverifiedEvidence,
)
from app.attestation.verifiers.az_snp_vtpm import VERIFIER, AzureSNPVerifier
from app.trust.errors import ConfigError

FOLDER = VECTORS / "az-snp-vtpm"
CHALLENGE = b"challenge"
# The report data of each genuine evidence.
GENUINE = {
    "v0": CHALLENGE,
    "v1": CHALLENGE,
    "v2": bytes.fromhex(
        "982f5c6e45df0ed3f10b6f60b02f0c8390e281300f3805e2279c16168cd6ae9aa398f647caa2338748cd0fd9f5f819ef"
    ),
    "genoa": bytes.fromhex(
        "0218488bae25d2509232bf676f1a66a30d7372add909109b36016ef136f2938ca05475f8b46094de6b64270ea35d950f"
    ),
}
REPORT_DATA = hashlib.sha384(b"simulated").digest()
INIT_DATA = hashlib.sha256(b"init data").digest()
MACHINE = AzureSNP()
PLAN = QuotePlan(REPORT_DATA, registers(INIT_DATA))
SITE = AzureSNPVerifier().with_extra_roots(MACHINE.amd.root_pem)
GENUINE_VERIFIER = AzureSNPVerifier()
GENUINE_COLLATERAL = MemoryCollateral(genuine_amd())
BOUND = Binding(CHALLENGE)


def verify(
    evidence: Any, binding: Binding | None = None, *, genuine: bool = False, **options: Any
) -> dict[str, Any]:
    """The claims of simulated evidence, or of genuine evidence under AMD's roots."""
    verifier = GENUINE_VERIFIER if genuine else SITE
    collateral = GENUINE_COLLATERAL if genuine else MemoryCollateral(MACHINE.amd.documents())
    (claims,) = verifier.verify(
        UnverifiedEvidence("az-snp-vtpm", evidence),
        binding or Binding(REPORT_DATA, INIT_DATA),
        Context(NOON, collateral, options),
    )
    assert claims.tee_class == "cpu"
    return claims.values


def genuine_evidence(name: str) -> dict[str, Any]:
    """One of the vectors."""
    return json.loads((FOLDER / f"evidence-{name}.json").read_text("utf-8"))


def changed_bytes(evidence: dict[str, Any], path: tuple[str, ...], data: bytes) -> dict[str, Any]:
    """The same evidence of version 1 or 2 with other bytes in one place."""
    copied = copy.deepcopy(evidence)
    *parents, name = path
    place = copied
    for parent in parents:
        place = place[parent]
    place[name] = data.hex() if parents else member(data, 1)
    return copied


# --- What is accepted --------------------------------------------------------------------------


@pytest.mark.parametrize("name", GENUINE)
def test_genuine_evidence_gives_the_published_claims(name: str) -> None:
    """Each version of the evidence, Milan and Genoa."""
    expected = json.loads((FOLDER / f"evidence-{name}.claims.json").read_text("utf-8"))
    claims = verify(genuine_evidence(name), Binding(GENUINE[name]), genuine=True)
    assert claims == expected


@pytest.mark.parametrize("version", [0, 1, 2])
def test_every_version_is_bound_to_report_data_and_init_data(version: int) -> None:
    """A simulated machine shows what no genuine vector has: init data in PCR 8."""
    claims = verify(MACHINE.evidence(PLAN, version))
    assert claims["report_data"] == REPORT_DATA.hex()
    assert claims["init_data"] == hashlib.sha256(bytes(32) + INIT_DATA).hexdigest()
    assert claims["policy_debug_allowed"] == "false"
    assert base64.b64decode(claims["measurement"]) == bytes(range(48))


def test_debug_is_a_claim() -> None:
    """wire.md 14.2 #38: policy sees it, as a text like every claim of this TEE."""
    evidence = MACHINE.evidence(PLAN, policy=0x30000 | 1 << 19)
    assert verify(evidence)["policy_debug_allowed"] == "true"


def test_fewer_registers_have_no_init_data_claim() -> None:
    """PCR 0 to 7 are a quote like another; only init data cannot be shown by it."""
    plan = QuotePlan(REPORT_DATA, registers()[:8])
    claims = verify(MACHINE.evidence(plan), Binding(REPORT_DATA))
    assert "init_data" not in claims
    assert len(claims["tpm"]) == 8


# --- What is refused ---------------------------------------------------------------------------

NONCES = {
    "none": None,
    "another": b"Challenge",
    "one byte more": CHALLENGE + b"\0",
    "one byte less": CHALLENGE[:-1],
    "padded to 64 bytes": CHALLENGE.ljust(64, b"\0"),
    "nothing": b"",
}


@pytest.mark.parametrize("nonce", NONCES.values(), ids=NONCES)
def test_refuses_genuine_evidence_for_another_nonce(nonce: bytes | None) -> None:
    """Nothing is padded and nothing is cut; and without a nonce anything could be replayed."""
    evidence = genuine_evidence("v1")
    code = refusal(lambda: verify(evidence, Binding(nonce), genuine=True))
    assert code == "binding-mismatch"


@pytest.mark.parametrize("length", [0, 1, 20, 31, 33, 48, 64])
def test_init_data_digests_of_other_lengths_are_refused(length: int) -> None:
    """wire.md 14.2 #35: a digest by SHA-384 is a refusal, and no crash."""
    evidence = MACHINE.evidence(PLAN)
    binding = Binding(REPORT_DATA, INIT_DATA.ljust(64, b"\0")[:length])
    assert refusal(lambda: verify(evidence, binding)) == "init-data-mismatch"


def test_init_data_needs_register_8() -> None:
    """wire.md 14.2 #35: fewer than nine PCRs are a refusal, and no crash."""
    evidence = MACHINE.evidence(QuotePlan(REPORT_DATA, registers()[:8]))
    assert refusal(lambda: verify(evidence)) == "init-data-mismatch"


def with_user_data(user_data: bytes | None) -> dict[str, Any]:
    """Evidence of version 2 whose variable data has other user data."""
    return MACHINE.evidence(PLAN, variable=variable_data(user_data))


USER_DATA = {
    "shorter than report data": (REPORT_DATA[:-1], "binding-mismatch"),
    "empty": (b"", "binding-mismatch"),
    "another": (bytes(64), "binding-mismatch"),
    "none": (None, "malformed-evidence"),
    "longer": (REPORT_DATA + b"!", "accepted"),
}


@pytest.mark.parametrize(("user_data", "code"), USER_DATA.values(), ids=USER_DATA)
def test_user_data_of_version_2_begins_with_report_data(user_data: bytes | None, code: str) -> None:
    """wire.md 14.2 #35: a shorter one is a refusal, and no crash."""
    assert refusal(lambda: verify(with_user_data(user_data))) == code


RESETTABLE = bytes(32)
SELECTIONS: dict[str, Any] = {
    "PCR 16 and 23 in the place of 8 and 11": [(0x0B, bytes.fromhex("fff6ff"))],
    "the registers from 1 on": [(0x0B, bytes.fromhex("feffff"))],
    "one register fewer": [(0x0B, bytes.fromhex("ffff7f"))],
    "the bank of SHA-1": [(0x04, bytes.fromhex("ffffff"))],
    "the bank of SHA-384": [(0x0C, bytes.fromhex("ffffff"))],
    "two banks": [(0x0B, bytes.fromhex("ffffff")), (0x0C, bytes.fromhex("000000"))],
    "the same bank twice": [(0x0B, bytes.fromhex("ffffff"))] * 2,
    "no bank": [],
    "a register too many": [(0x0B, bytes.fromhex("ffffff01"))],
}


@pytest.mark.parametrize("selections", SELECTIONS.values(), ids=SELECTIONS)
def test_the_selection_of_registers_is_checked(selections: Any) -> None:
    """wire.md 14.2 #36: registers that a guest can reset do not pass for others."""
    plan = QuotePlan(REPORT_DATA, registers(INIT_DATA), selections)
    assert refusal(lambda: verify(MACHINE.evidence(plan))) == "register-mismatch"


def test_registers_that_are_moved_are_refused() -> None:
    """The values of PCR 16 on, listed as PCR 8 on, with a digest over exactly these values."""
    moved = QuotePlan(REPORT_DATA, registers(INIT_DATA)[:12], [(0x0B, bytes.fromhex("ff000f"))])
    assert refusal(lambda: verify(MACHINE.evidence(moved))) == "register-mismatch"


LISTS: dict[str, Callable[[list[bytes]], list[bytes]]] = {
    "one left out": lambda pcrs: pcrs[:-1],
    "two exchanged": lambda pcrs: [pcrs[1], pcrs[0], *pcrs[2:]],
    "one changed": lambda pcrs: [*pcrs[:11], RESETTABLE, *pcrs[12:]],
}


@pytest.mark.parametrize("change", LISTS.values(), ids=LISTS)
@pytest.mark.parametrize("version", [0, 2])
def test_a_changed_list_of_registers_is_refused(
    change: Callable[[list[bytes]], list[bytes]], version: int
) -> None:
    """What is claimed is what was quoted."""
    evidence = MACHINE.evidence(PLAN, version)
    listed = change(registers(INIT_DATA))
    evidence["tpm_quote" if version else "quote"] = quote_member(PLAN, version, listed)
    assert refusal(lambda: verify(evidence)) == "register-mismatch"


def signed_by_another_key() -> dict[str, Any]:
    """The quote is of the trusted TPM, the variable data names another key."""
    return MACHINE.evidence(PLAN, variable=variable_data(REPORT_DATA, ak(1)))


def of_another_machine() -> dict[str, Any]:
    """Variable data that a genuine report was not made for: a key of the attacker's."""
    variable = variable_data(REPORT_DATA)
    return MACHINE.evidence(PLAN, variable=variable, report_data=bound_to(b"other"))


def of_another_root() -> dict[str, Any]:
    """The same names, another root's keys."""
    return AzureSNP(SimulatedAMD("Milan", number=1)).evidence(PLAN)


def of_another_tcb() -> dict[str, Any]:
    """A report that reports other patch levels than its certificate."""
    tcb = {"bootloader": 5, "tee": 0, "snp": 24, "microcode": 219}
    return MACHINE.evidence(PLAN, tcb=tcb)


FORGERIES: dict[str, tuple[Callable[[], dict[str, Any]], str]] = {
    "another key": (signed_by_another_key, "signature-invalid"),
    "an AK that no report vouches for": (of_another_machine, "attestation-key-untrusted"),
    "VMPL 1": (lambda: MACHINE.evidence(PLAN, vmpl=1), "privilege-level"),
    "a signature by a VLEK": (lambda: MACHINE.evidence(PLAN, signing_key=1), "chain-invalid"),
    "another root": (of_another_root, "chain-invalid"),
    "another TCB": (of_another_tcb, "tcb-mismatch"),
    "another chip": (lambda: MACHINE.evidence(PLAN, chip_id=b"\1" * 64), "collateral-mismatch"),
}


@pytest.mark.parametrize(("forge", "code"), FORGERIES.values(), ids=FORGERIES)
def test_refuses_what_the_hardware_does_not_vouch_for(
    forge: Callable[[], dict[str, Any]], code: str
) -> None:
    """wire.md 14.2 #37: the attestation key counts by the report that names it."""
    evidence = forge()
    assert refusal(lambda: verify(evidence)) == code


def test_nothing_is_asked_of_vendors_for_a_stale_quote() -> None:
    """Evidence that contradicts itself, or is another's, causes no request."""
    collateral = MemoryCollateral(MACHINE.amd.documents())
    evidence = UnverifiedEvidence("az-snp-vtpm", MACHINE.evidence(PLAN))
    context = Context(NOON, collateral)
    verifier = AzureSNPVerifier().with_extra_roots(MACHINE.amd.root_pem)
    assert refusal(lambda: verifier.verify(evidence, Binding(b"?"), context)) == "binding-mismatch"
    assert collateral.asked == []


# --- Every byte --------------------------------------------------------------------------------


def counted(
    evidence: dict[str, Any], path: tuple[str, ...], data: bytes, places: range, name: str
) -> Counter[str]:
    """The reason codes for one flipped bit in each of some bytes of genuine evidence."""
    found: Counter[str] = Counter()
    for at in places:
        changed = changed_bytes(evidence, path, flipped(data, at, at % 8))
        found[refusal(lambda c=changed: verify(c, Binding(GENUINE[name]), genuine=True))] += 1
    return found


def hcl_regions(size: int) -> dict[str, tuple[range, set[str]]]:
    """The fields of an HCL report, and the reason codes that their changes have."""
    malformed, signature = "malformed-evidence", "signature-invalid"
    root, untrusted = "root-untrusted", "attestation-key-untrusted"
    return {
        "magic, version, size": (range(12), {malformed}),
        "version of the report": (range(0x20, 0x24), {malformed, signature}),
        "before report data": (
            range(0x24, 0x70),
            {malformed, signature, "chain-invalid"},
        ),
        "digest of the variable data": (range(0x70, 0x90), {untrusted}),
        "the rest of the signed report": (range(0x90, 0x2C0), {malformed, signature, root}),
        "the signature": (range(0x2C0, 0x350), {signature}),
        "reserved": (range(0x350, 0x4C0), {malformed}),
        "sizes, type, hash": (range(0x4C0, 0x4C4), {malformed}),
        "type, hash, size": (range(0x4C8, 0x4D4), {malformed}),
        "variable data": (range(0x4D4, 0x4D4 + size), {untrusted}),
        "behind it": (range(0x4D4 + size, 2600), {malformed}),
    }


@pytest.mark.parametrize("name", ["v1", "v2"])
def test_no_byte_of_a_genuine_hcl_report_can_change(name: str) -> None:
    """Each field has its own reason codes; what nobody signs and nobody reads is left out."""
    evidence = genuine_evidence(name)
    data = base64.urlsafe_b64decode(evidence["hcl_report"])
    size = int.from_bytes(data[0x4D0:0x4D4], "little")
    for field, (places, codes) in hcl_regions(size).items():
        found = counted(evidence, ("hcl_report",), data, places, name)
        assert set(found) <= codes, f"{field}: {found}"


@pytest.mark.parametrize("name", ["v1", "v2"])
def test_no_byte_of_a_genuine_tpm_quote_can_change(name: str) -> None:
    """Lengths, magic and type do not parse, everything else is what the key signed."""
    evidence = genuine_evidence(name)
    path = ("tpm_quote", "message")
    message = bytes.fromhex(evidence["tpm_quote"]["message"])
    head = counted(evidence, path, message, range(8), name)
    assert head == {"malformed-evidence": 8}
    rest = counted(evidence, path, message, range(8, len(message)), name)
    # Two sizes of two bytes, safe, the number of banks, the size of the bitmap, that of the digest.
    assert set(rest) == {"malformed-evidence", "signature-invalid"}
    assert rest["malformed-evidence"] <= 12
    signature = bytes.fromhex(evidence["tpm_quote"]["signature"])
    path = ("tpm_quote", "signature")
    assert counted(evidence, path, signature, range(256), name) == {"signature-invalid": 256}


def test_no_byte_of_a_genuine_vcek_can_change() -> None:
    """Nothing in a certificate is without a check."""
    evidence = genuine_evidence("v1")
    vcek = base64.urlsafe_b64decode(evidence["vcek"])
    found = counted(evidence, ("vcek",), vcek, range(len(vcek)), "v1")
    assert set(found) <= {"chain-invalid", "malformed-evidence"}


def test_no_register_of_a_genuine_quote_can_change() -> None:
    """One bit in each byte of each of the 24."""
    evidence = genuine_evidence("v2")
    pcrs = [bytes.fromhex(pcr) for pcr in evidence["tpm_quote"]["pcrs"]]
    found: Counter[str] = Counter()
    for number, at in ((number, at) for number in range(24) for at in range(0, 32, 4)):
        listed = [pcr.hex() for pcr in pcrs]
        listed[number] = flipped(pcrs[number], at, number % 8).hex()
        changed = copy.deepcopy(evidence)
        changed["tpm_quote"]["pcrs"] = listed
        binding = Binding(GENUINE["v2"])
        found[refusal(lambda c=changed, b=binding: verify(c, b, genuine=True))] += 1
    assert found == {"register-mismatch": 192}


@pytest.mark.parametrize(
    "path", [("hcl_report",), ("tpm_quote", "message"), ("tpm_quote", "signature"), ("vcek",)]
)
def test_truncated_and_prolonged_parts_are_refused(path: tuple[str, ...]) -> None:
    """At every length below the honest one, and one byte above it."""
    evidence = genuine_evidence("v1")
    text = evidence["tpm_quote"][path[1]] if path[1:] else evidence[path[0]]
    data = bytes.fromhex(text) if path[1:] else base64.urlsafe_b64decode(text)
    if path == ("hcl_report",):
        data = data[: 0x4D4 + int.from_bytes(data[0x4D0:0x4D4], "little")]
    parts = [data[:length] for length in range(len(data))] + [data + b"\1"]
    codes = {
        refusal(lambda p=part: verify(changed_bytes(evidence, path, p), BOUND, genuine=True))
        for part in parts
    }
    assert codes == {"signature-invalid" if path[-1] == "signature" else "malformed-evidence"}


def test_zeros_behind_the_hcl_report_mean_nothing() -> None:
    """It is read from an area of fixed size; without the zeros it is the same report."""
    evidence = genuine_evidence("v1")
    data = base64.urlsafe_b64decode(evidence["hcl_report"]).rstrip(b"\0")
    changed = changed_bytes(evidence, ("hcl_report",), data)
    assert verify(changed, BOUND, genuine=True) == verify(evidence, BOUND, genuine=True)


# --- What is malformed -------------------------------------------------------------------------

EDITS: dict[str, dict[str, Any]] = {
    "version 0 with the members of 1": {"version": ...},
    "version 3": {"version": 3},
    "version true": {"version": True},
    "version null": {"version": None},
    "version as text": {"version": "1"},
    "no quote": {"tpm_quote": ...},
    "a quote that is a list": {"tpm_quote": []},
    "no HCL report": {"hcl_report": ...},
    "an HCL report of integers": {"hcl_report": [72, 67, 76, 65]},
    "an HCL report of another alphabet": {"hcl_report": "++//"},
    "an HCL report without padding": {"hcl_report": "AAA"},
    "an HCL report with too much padding": {"hcl_report": "AAAA===="},
    "an HCL report of 24 KiB": {"hcl_report": "A" * 24 * 1024},
    "no VCEK": {"vcek": ...},
    "an empty VCEK": {"vcek": ""},
    "a VCEK that is none": {"vcek": "AAAA"},
}


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
def test_malformed_evidence_is_malformed(edit: dict[str, Any]) -> None:
    """Whatever the shape, the answer says that the evidence does not parse."""
    edited = genuine_evidence("v1") | edit
    evidence = {name: value for name, value in edited.items() if value is not ...}
    assert refusal(lambda: verify(evidence, BOUND, genuine=True)) == "malformed-evidence"


QUOTE_EDITS: dict[str, dict[str, Any]] = {
    "registers that are none": {"pcrs": []},
    "25 registers": {"pcrs": ["00" * 32] * 25},
    "registers in the place of a list": {"pcrs": {"0": "00" * 32}},
    "a register of 31 bytes": {"pcrs": ["00" * 31]},
    "a register of 33 bytes": {"pcrs": ["00" * 33]},
    "a register that is a number": {"pcrs": [0]},
    "half a byte": {"message": "f"},
    "white space": {"message": "ff 54"},
    "a message of 2 KiB": {"message": "00" * 2048},
    "no signature": {"signature": None},
    "a signature of 2 KiB": {"signature": "00" * 2048},
    "integers in version 1": {"signature": [1, 2, 3]},
}


@pytest.mark.parametrize("edit", QUOTE_EDITS.values(), ids=QUOTE_EDITS)
def test_a_malformed_quote_is_malformed(edit: dict[str, Any]) -> None:
    """Types and lengths are checked before anything is converted."""
    evidence = genuine_evidence("v1")
    evidence["tpm_quote"] |= edit
    assert refusal(lambda: verify(evidence, BOUND, genuine=True)) == "malformed-evidence"


OLD_EDITS: dict[str, dict[str, Any]] = {
    "a boolean among bytes": {"report": [True] * 2600},
    "a number that is no byte": {"report": [256] * 2600},
    "a negative number": {"report": [-1] * 2600},
    "a million integers": {"report": [0] * 1_000_000},
    "hex in version 0": {"report": "00"},
    "a certificate of integers": {"vcek": [48]},
    "a text that is no PEM": {"vcek": "?"},
    "a PEM with letters of another alphabet": {"vcek": "\u00e9"},
    "a PEM of 64 KiB and more": {"vcek": "-" * 65537},
}


@pytest.mark.parametrize("edit", OLD_EDITS.values(), ids=OLD_EDITS)
def test_malformed_evidence_of_version_0_is_malformed(edit: dict[str, Any]) -> None:
    """Lists of integers are bounded before they become bytes."""
    evidence = genuine_evidence("v0") | edit
    assert refusal(lambda: verify(evidence, BOUND, genuine=True)) == "malformed-evidence"


def test_the_hcl_report_is_of_the_same_hardware() -> None:
    """A report of TDX is no report of SNP, whatever stands in it."""
    evidence = MACHINE.evidence(PLAN)
    hcl = hcl_report(bytes(1184), variable_data(), TDX)
    changed = changed_bytes(evidence, ("hcl_report",), hcl)
    assert refusal(lambda: verify(changed)) == "malformed-evidence"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner),
    max_leaves=8,
)
MEMBERS = st.sampled_from(["version", "tpm_quote", "hcl_report", "vcek"])


@settings(max_examples=150, deadline=None)
@given(MEMBERS, JSON)
def test_no_json_escapes(name: str, value: Any) -> None:
    """Whatever stands in the place of evidence or of a member, only reasons leave."""
    for body in (value, genuine_evidence("v1") | {name: value}):
        code = refusal(lambda b=body: verify(b, BOUND, genuine=True))
        assert code in {"malformed-evidence", "accepted", "binding-mismatch"}


# --- Settings ----------------------------------------------------------------------------------


def test_options_and_roots_are_those_of_snp() -> None:
    """Dates and revocation are judged alike, and faults name this verifier."""
    assert isinstance(VERIFIER, OptionedVerifier)
    assert isinstance(VERIFIER, RootedVerifier)
    VERIFIER.check_options({"revocation": "require", "check_validity": "enforce"})
    with pytest.raises(ConfigError, match=r"verifier_options\.az-snp-vtpm\.x"):
        VERIFIER.check_options({"x": 1})
    with pytest.raises(ConfigError, match=r"insecure_extra_roots\.az-snp-vtpm"):
        VERIFIER.with_extra_roots(b"?")
    evidence = MACHINE.evidence(PLAN)
    code = refusal(lambda: verify(evidence, revocation="require"))
    assert code == "collateral-unavailable"
