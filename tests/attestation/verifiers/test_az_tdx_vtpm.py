"""What the verifier of Azure's TDX machines proves, refuses and claims."""

from __future__ import annotations

import base64
import copy
import hashlib
import json
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from paths import VECTORS
from simulated.dcap_site import CLAIM, LATER, flipped, genuine_source, machine, refusal

from app.attestation.evidence import (
    Binding,
    Context,
    OptionedVerifier,
    RootedVerifier,
    UnverifiedEvidence,
)
from app.attestation.formats.azure_vtpm import AzureEvidence, AzureNames
from app.attestation.formats.dcap_quote import parse_td_quote
from app.attestation.formats.hcl_report import HardwareReport
from app.attestation.formats.td_claims import td_claims
from app.attestation.verifiers.az_tdx_vtpm import VERIFIER, AzureTDXVerifier
from app.lab.intel import NOON
from app.lab.tdx import SimulatedTD, SimulatedTDX
from app.lab.vtpm import (
    SNP,
    QuotePlan,
    ak,
    azure_tdx,
    hcl_report,
    member,
    quote_member,
    registers,
    variable_data,
)
from app.trust.errors import ConfigError

FOLDER = VECTORS / "az-tdx-vtpm"
BOUND = Binding(b"challenge")
REPORT_DATA = hashlib.sha384(b"simulated").digest()
INIT_DATA = hashlib.sha256(b"init data").digest()
PLAN = QuotePlan(REPORT_DATA, registers(INIT_DATA))
SITE = AzureTDXVerifier(machine().intel.roots)
# What genuine evidence comes to when everything holds but what only Intel's documents can show.
PASSED = "collateral-unavailable"


def verify(evidence: Any, binding: Binding | None = None, **how: Any) -> dict[str, Any]:
    """The claims of simulated evidence."""
    context = Context(how.pop("now", NOON), machine().publication, how)
    (claims,) = SITE.verify(
        UnverifiedEvidence("az-tdx-vtpm", evidence),
        binding or Binding(REPORT_DATA, INIT_DATA),
        context,
    )
    assert claims.tee_class == "cpu"
    return claims.values


def genuine_code(evidence: Any, binding: Binding = BOUND) -> str:
    """The reason code of genuine evidence, for whose platform there is no collateral."""
    context = Context(LATER, genuine_source())
    found = UnverifiedEvidence("az-tdx-vtpm", evidence)
    return refusal(lambda: VERIFIER.verify(found, binding, context))


def genuine_evidence(name: str) -> dict[str, Any]:
    """One of the vectors."""
    return json.loads((FOLDER / f"evidence-{name}.json").read_text("utf-8"))


# --- What is accepted --------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["v0", "v1"])
def test_genuine_evidence_passes_all_that_needs_no_collateral(name: str) -> None:
    """The platform's PCK chain is Intel's, and then its TCB info is missing."""
    assert genuine_code(genuine_evidence(name)) == PASSED


@pytest.mark.parametrize("name", ["v0", "v1"])
def test_genuine_evidence_gives_the_published_claims(name: str) -> None:
    """All but those that Intel's documents are needed for."""
    evidence = genuine_evidence(name)
    found = AzureEvidence.parse(evidence, HardwareReport.TDX, AzureNames())
    quote = parse_td_quote((FOLDER / "td-quote.bin").read_bytes())
    found.check(quote.body.report_data, BOUND)
    expected = json.loads((FOLDER / f"evidence-{name}.claims.json").read_text("utf-8"))
    assert expected.pop("platform_instance_id")
    assert td_claims(quote) | found.claims() == expected


@pytest.mark.parametrize("version", [0, 1, 2])
def test_every_version_is_bound_to_report_data_and_init_data(version: int) -> None:
    """A simulated machine goes through every step."""
    claims = verify(azure_tdx(machine(), PLAN, version))
    assert claims["report_data"] == REPORT_DATA.hex()
    assert claims["init_data"] == hashlib.sha256(bytes(32) + INIT_DATA).hexdigest()
    assert claims["tpm"]["pcr11"] == registers()[11].hex()
    assert (claims["tcb_status"], claims["collateral_expiration_status"]) == ("UpToDate", "0")


def test_debug_and_stale_collateral_are_claims() -> None:
    """wire.md 14.2 #38: policy sees both."""
    evidence = azure_tdx(machine(), PLAN, td=SimulatedTD(attributes=b"\1" + bytes(7)))
    assert verify(evidence)["td_attributes"]["debug"] is True
    assert refusal(lambda: verify(evidence, now=LATER)) == "collateral-stale"
    assert verify(evidence, now=LATER, **CLAIM)["collateral_expiration_status"] == "1"


# --- What is refused ---------------------------------------------------------------------------

NONCES = {"none": None, "another": b"Challenge", "one byte more": b"challenge\0", "less": b"chall"}


@pytest.mark.parametrize("nonce", NONCES.values(), ids=NONCES)
def test_refuses_genuine_evidence_for_another_nonce(nonce: bytes | None) -> None:
    """Nothing is padded and nothing is cut; and nothing is fetched for it."""
    assert genuine_code(genuine_evidence("v1"), Binding(nonce)) == "binding-mismatch"


@pytest.mark.parametrize("length", [0, 20, 31, 33, 48, 64])
def test_init_data_digests_of_other_lengths_are_refused(length: int) -> None:
    """wire.md 14.2 #35: a digest by SHA-384 is a refusal, and no crash."""
    binding = Binding(REPORT_DATA, INIT_DATA.ljust(64, b"\0")[:length])
    evidence = azure_tdx(machine(), PLAN)
    assert refusal(lambda: verify(evidence, binding)) == "init-data-mismatch"


def test_the_selection_of_registers_is_checked() -> None:
    """wire.md 14.2 #36: registers that a guest can reset do not pass for others."""
    moved = [(0x0B, bytes.fromhex("fff6ff"))]
    plan = QuotePlan(REPORT_DATA, registers(INIT_DATA), moved)
    assert refusal(lambda: verify(azure_tdx(machine(), plan))) == "register-mismatch"


def listing_others() -> dict[str, Any]:
    """A value that was not quoted."""
    listed = [*registers(INIT_DATA)[:23], bytes(32)]
    return azure_tdx(machine(), PLAN) | {"tpm_quote": quote_member(PLAN, 2, listed)}


def of_another_report() -> dict[str, Any]:
    """Variable data that the TD quote was not made for."""
    other = azure_tdx(machine(), PLAN, variable=variable_data(REPORT_DATA, ak(1)))
    return azure_tdx(machine(), PLAN) | {"td_quote": other["td_quote"]}


def of_snp() -> dict[str, Any]:
    """An HCL report that holds a report of the other hardware."""
    hcl = member(hcl_report(bytes(1184), variable_data(REPORT_DATA), SNP), 2)
    return azure_tdx(machine(), PLAN) | {"hcl_report": hcl}


FORGERIES: dict[str, tuple[Callable[[], dict[str, Any]], str]] = {
    "another key": (
        lambda: azure_tdx(machine(), PLAN, variable=variable_data(REPORT_DATA, ak(1))),
        "signature-invalid",
    ),
    "an AK that no quote vouches for": (of_another_report, "attestation-key-untrusted"),
    "another list of registers": (listing_others, "register-mismatch"),
    "another kind of hardware": (of_snp, "malformed-evidence"),
    "other user data": (
        lambda: azure_tdx(machine(), PLAN, variable=variable_data(bytes(64))),
        "binding-mismatch",
    ),
    "short user data": (
        lambda: azure_tdx(machine(), PLAN, variable=variable_data(REPORT_DATA[:-1])),
        "binding-mismatch",
    ),
    "another root": (lambda: azure_tdx(SimulatedTDX(), PLAN), "root-untrusted"),
}


@pytest.mark.parametrize(("forge", "code"), FORGERIES.values(), ids=FORGERIES)
def test_refuses_what_the_hardware_does_not_vouch_for(
    forge: Callable[[], dict[str, Any]], code: str
) -> None:
    """wire.md 14.2 #37: the attestation key counts by the quote that names it."""
    evidence = forge()
    assert refusal(lambda: verify(evidence)) == code


# --- Every byte --------------------------------------------------------------------------------


def counted(name: str, data: bytes, places: range) -> Counter[str]:
    """The reason codes for one flipped bit in each of some bytes of simulated evidence."""
    evidence = azure_tdx(machine(), PLAN)
    found: Counter[str] = Counter()
    for at in places:
        changed = evidence | {name: member(flipped(data, at, at % 8), 2)}
        found[refusal(lambda c=changed: verify(c))] += 1
    return found


def test_no_signed_byte_of_the_td_quote_can_change() -> None:
    """Header, body and signature; the rest is looked at with the verifier of TDX."""
    quote = base64.urlsafe_b64decode(azure_tdx(machine(), PLAN)["td_quote"])
    body = range(48, 632)
    binding = range(568, 600)
    assert counted("td_quote", quote, binding) == {"attestation-key-untrusted": 32}
    found = counted("td_quote", quote, range(48, 568)) + counted(
        "td_quote", quote, range(600, body.stop)
    )
    assert set(found) <= {"signature-invalid", "identity-mismatch"}
    signature = range(body.stop + 4, body.stop + 68)
    assert counted("td_quote", quote, signature) == {"signature-invalid": 64}


def test_no_byte_of_the_variable_data_can_change() -> None:
    """Nothing of it is read before its digest is known to be right."""
    hcl = base64.urlsafe_b64decode(azure_tdx(machine(), PLAN)["hcl_report"])
    size = int.from_bytes(hcl[0x4D0:0x4D4], "little")
    found = counted("hcl_report", hcl, range(0x4D4, 0x4D4 + size))
    assert found == {"attestation-key-untrusted": size}


def test_no_byte_of_a_genuine_tpm_quote_can_change() -> None:
    """Neither of the message nor of the signature."""
    evidence = genuine_evidence("v1")
    found: Counter[str] = Counter()
    for name in ("message", "signature"):
        data = bytes.fromhex(evidence["tpm_quote"][name])
        for at in range(len(data)):
            changed = copy.deepcopy(evidence)
            changed["tpm_quote"][name] = flipped(data, at, at % 8).hex()
            found[genuine_code(changed)] += 1
    assert set(found) == {"malformed-evidence", "signature-invalid"}
    assert found["malformed-evidence"] <= 20


def test_truncated_parts_are_malformed() -> None:
    """The TD quote up to the end of its signature section, everything else to its last byte."""
    evidence = genuine_evidence("v1")
    quote = base64.urlsafe_b64decode(evidence["td_quote"])
    hcl = base64.urlsafe_b64decode(evidence["hcl_report"]).rstrip(b"\0")
    end = 636 + int.from_bytes(quote[632:636], "little")
    for name, data in (("td_quote", quote[:end]), ("hcl_report", hcl)):
        codes = {
            genuine_code(evidence | {name: member(data[:length], 1)}) for length in range(len(data))
        }
        assert codes == {"malformed-evidence"}
        assert genuine_code(evidence | {name: member(data, 1)}) == PASSED


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner),
    max_leaves=8,
)
MEMBERS = st.sampled_from(["version", "tpm_quote", "hcl_report", "td_quote"])


@settings(max_examples=150, deadline=None)
@given(MEMBERS, JSON)
def test_no_json_escapes(name: str, value: Any) -> None:
    """Whatever stands in the place of evidence or of a member, only reasons leave."""
    for body in (value, genuine_evidence("v1") | {name: value}):
        assert genuine_code(body) in {"malformed-evidence", PASSED, "binding-mismatch"}


# --- Settings ----------------------------------------------------------------------------------


def test_options_and_roots_are_those_of_tdx() -> None:
    """Faults name this verifier."""
    assert isinstance(VERIFIER, OptionedVerifier)
    assert isinstance(VERIFIER, RootedVerifier)
    VERIFIER.check_options(CLAIM)
    with pytest.raises(ConfigError, match=r"verifier_options\.az-tdx-vtpm\.x"):
        VERIFIER.check_options({"x": 1})
    with pytest.raises(ConfigError, match="az-tdx-vtpm"):
        VERIFIER.with_extra_roots(b"?")
    extended = AzureTDXVerifier().with_extra_roots(machine().intel.root_pem)
    evidence = UnverifiedEvidence("az-tdx-vtpm", azure_tdx(machine(), PLAN))
    context = Context(NOON, machine().publication)
    assert extended.verify(evidence, Binding(REPORT_DATA), context)
