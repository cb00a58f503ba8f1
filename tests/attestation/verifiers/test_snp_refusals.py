"""SNP evidence is refused for every single thing that is wrong with it."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from fakes import NOON
from hypothesis import given, settings
from hypothesis import strategies as st
from paths import VECTORS
from simulated.collateral import MemoryCollateral, genuine_amd
from simulated.snp_site import Site, verify

from app.attestation.evidence import (
    Binding,
    Context,
    UnverifiedEvidence,
)
from app.attestation.formats.snp_report_json import encode_report
from app.attestation.verifiers.snp import SNPVerifier
from app.lab.amd_authority import END, START, LeafPlan, SimulatedAMD
from app.lab.snp import ReportFields, faultless_leaf, make_chip, report_json
from app.trust.errors import (
    BindingMismatchError,
    ChainError,
    CollateralMismatchError,
    CollateralUnavailableError,
    DomainError,
    ExpiredCertificateError,
    InitDataMismatchError,
    MalformedEvidenceError,
    PrivilegeLevelError,
    RevokedError,
    SignatureError,
    StaleCollateralError,
    TCBMismatchError,
    UntrustedRootError,
)

SNP = VECTORS / "snp"


@pytest.fixture(scope="module")
def site() -> Site:
    """A Milan chip with a VCEK."""
    return Site()


@pytest.fixture
def genoa() -> dict[str, Any]:
    """Genuine evidence of a Genoa machine."""
    return json.loads((SNP / "e2e-evidence-genoa-v3.json").read_text("utf-8"))


def flips() -> list[int]:
    """Each byte of what is signed, and of the used parts of r and s."""
    return [*range(0x2A0), *range(0x2A0, 0x2A0 + 48), *range(0x2E8, 0x2E8 + 48)]


def test_one_flipped_bit_anywhere_in_a_genuine_report_is_refused(genoa: dict[str, Any]) -> None:
    """Whatever the bit means, and whether it still parses; unless JSON has no place for it."""
    verifier, collateral = SNPVerifier(), MemoryCollateral(genuine_amd())
    report = encode_report(genoa["attestation_report"])
    refused = 0
    for offset in flips():
        flipped = bytearray(report)
        flipped[offset] ^= 1 << offset % 8
        changed = report_json(bytes(flipped), "Genoa")
        evidence = {"attestation_report": changed, "cert_chain": genoa["cert_chain"]}
        if changed == report_json(report, "Genoa"):
            continue  # a reserved byte
        with pytest.raises(DomainError) as refusal:
            verify(evidence, verifier=verifier, collateral=collateral)
        assert type(refusal.value) in {SignatureError, ChainError, MalformedEvidenceError} | {
            UntrustedRootError
        }
        refused += 1
    assert refused > 500


def test_one_flipped_bit_anywhere_in_a_genuine_vcek_is_refused(genoa: dict[str, Any]) -> None:
    """Nothing in a certificate is without a check."""
    verifier, collateral = SNPVerifier(), MemoryCollateral(genuine_amd())
    (entry,) = genoa["cert_chain"]
    for offset in range(len(entry["data"])):
        evidence = {
            "attestation_report": genoa["attestation_report"],
            "cert_chain": [{"cert_type": "VCEK", "data": [*entry["data"]]}],
        }
        evidence["cert_chain"][0]["data"][offset] ^= 1 << offset % 8
        with pytest.raises((ChainError, MalformedEvidenceError)):
            verify(evidence, verifier=verifier, collateral=collateral)


def other_root(site: Site) -> dict[str, Any]:
    """The same names, another root's keys, all in the evidence."""
    stranger = SimulatedAMD("Milan", number=1)
    chip = make_chip(stranger)
    report = chip.report(ReportFields())
    certificates = {"ASK": stranger.ask.der, "ARK": stranger.ark.der}
    return chip.evidence(report, VCEK=chip.certificate, **certificates)


def other_intermediate(site: Site) -> dict[str, Any]:
    """A stranger's intermediate under the trusted root's name."""
    stranger = SimulatedAMD("Milan", number=1)
    chip = make_chip(stranger)
    report = chip.report(ReportFields())
    certificates = {"ASK": stranger.ask.der, "ARK": site.amd.ark.der}
    return chip.evidence(report, VCEK=chip.certificate, **certificates)


def planned(**changes: Any) -> Callable[[Site], dict[str, Any]]:
    """Evidence of a chip whose certificate says something else."""

    def build(site: Site) -> dict[str, Any]:
        plan = replace(faultless_leaf("Milan"), **changes)
        return site.evidence(make_chip(site.amd, plan=plan))

    return build


def said(**fields: Any) -> Callable[[Site], dict[str, Any]]:
    """Evidence whose report says something else, and is signed."""
    return lambda site: site.evidence(**fields)


def labelled(kind: str) -> Callable[[Site], dict[str, Any]]:
    """The chip's certificate, called another kind."""

    def build(site: Site) -> dict[str, Any]:
        return site.chip.evidence(site.chip.report(ReportFields()), **{kind: site.chip.certificate})

    return build


def resigned_by_stranger(site: Site) -> dict[str, Any]:
    """A report of the right chip, signed by a key that is not in the certificate."""
    stranger = replace(site.chip, key=ec.generate_private_key(ec.SECP384R1()))
    return site.evidence(stranger)


TCB = faultless_leaf("Milan").tcb
MUTATIONS: dict[str, tuple[Callable[[Site], dict[str, Any]], type[DomainError]]] = {
    "another root": (other_root, UntrustedRootError),
    "another root's intermediate": (other_intermediate, ChainError),
    "another key": (resigned_by_stranger, SignatureError),
    "a VCEK called VLEK": (labelled("VLEK"), ChainError),
    "no leaf": (labelled("ASK"), MalformedEvidenceError),
    "signed by a VLEK, it says": (said(signing_key=1), ChainError),
    "signed by none, it says": (said(signing_key=7), ChainError),
    "another signature algorithm": (said(signature_algorithm=2), SignatureError),
    "VMPL 1": (said(vmpl=1), PrivilegeLevelError),
    "VMPL 3": (said(vmpl=3), PrivilegeLevelError),
    "version 2": (said(version=2), MalformedEvidenceError),
    "version 6": (said(version=6), MalformedEvidenceError),
    "an older TCB": (said(tcb={**TCB, "snp": 23}), TCBMismatchError),
    "a newer TCB": (said(tcb={**TCB, "microcode": 220}), TCBMismatchError),
    "another chip": (said(chip_id=b"\x01" * 64), CollateralMismatchError),
    "expired": (planned(not_after=START + timedelta(days=1)), ExpiredCertificateError),
    "not yet valid": (planned(not_before=NOON + timedelta(days=1)), ExpiredCertificateError),
    "no chip id in the VCEK": (planned(hwid=None), CollateralMismatchError),
    "a short chip id on Milan": (planned(hwid=bytes(range(8))), CollateralMismatchError),
    "a chip id of an odd length": (planned(hwid=bytes(9)), CollateralMismatchError),
    "no patch level in the VCEK": (planned(leave_out=("3.3",)), TCBMismatchError),
    "a Turin's patch level": (planned(tcb={**TCB, "fmc": 0}), TCBMismatchError),
    "a patch level over 255": (planned(tcb={**TCB, "snp": 256}), TCBMismatchError),
    "a leaf of another name": (planned(common_name="SEV-VXEK"), ChainError),
    "a VLEK called VCEK": (planned(common_name="SEV-VLEK"), ChainError),
}


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_mutation_is_refused_for_its_reason(site: Site, name: str) -> None:
    """One thing is wrong, and the reason code says which."""
    build, error = MUTATIONS[name]
    with pytest.raises(error) as refusal:
        site.verify(build(site))
    assert type(refusal.value) is error


BINDINGS: dict[str, tuple[Binding, type[DomainError]]] = {
    "other report data": (Binding(b"other"), BindingMismatchError),
    "a longer value": (Binding(b"bound!"), BindingMismatchError),
    "nothing": (Binding(b""), BindingMismatchError),
    "a prefix": (Binding(b"boun"), BindingMismatchError),
    "65 bytes": (Binding(b"bound".ljust(65, b"\0")), BindingMismatchError),
    "other init data": (Binding(b"bound", bytes(32)), InitDataMismatchError),
    "shorter init data": (Binding(b"bound", b"\x01"), InitDataMismatchError),
}


@pytest.mark.parametrize("name", BINDINGS)
def test_evidence_bound_to_something_else_is_refused(site: Site, name: str) -> None:
    """Genuine evidence for someone else's key, nonce or init data is not ours."""
    binding, error = BINDINGS[name]
    evidence = site.evidence(report_data=b"bound", host_data=b"\x01" * 32)
    with pytest.raises(error):
        site.verify(evidence, binding)


def test_a_stranger_is_refused_without_the_extra_root(site: Site) -> None:
    """The simulated root is trusted only where it was added."""
    with pytest.raises(UntrustedRootError):
        verify(site.evidence(), verifier=SNPVerifier(), collateral=site.collateral)


def test_a_root_of_one_generation_does_not_vouch_for_another() -> None:
    """Pins are kept by generation."""
    milan, genoa = Site("Milan"), Site("Genoa")
    prefix = "amd/genoa/cert_chain"
    milan.collateral.documents[prefix] = genoa.collateral.documents[prefix]
    with pytest.raises(UntrustedRootError):
        milan.verify(genoa.evidence())


def test_a_remembered_chain_still_expires(site: Site) -> None:
    """What is remembered is the signatures, not the time."""
    evidence = site.evidence()
    site.verify(evidence)
    late = Context(END + timedelta(days=1), site.collateral)
    with pytest.raises(ExpiredCertificateError):
        site.verifier.verify(UnverifiedEvidence("snp", evidence), Binding(None), late)


def test_dates_can_be_ignored_insecurely(site: Site) -> None:
    """For clouds whose VLEKs outlive their dates; the option's value says what it is."""
    evidence = planned(not_after=START + timedelta(days=1))(site)
    assert site.verify(evidence, check_validity="insecure_ignore")


def test_a_leaf_must_hold_a_key_for_reports(site: Site) -> None:
    """P-384, as the report's signature is."""
    key = ec.generate_private_key(ec.SECP256R1())
    plan = LeafPlan(TCB, bytes(range(64)))
    chip = replace(site.chip, certificate=site.amd.leaf(plan, key))
    with pytest.raises(ChainError):
        site.verify(site.evidence(chip))


# --- Revocation --------------------------------------------------------------------------------


@pytest.mark.parametrize("revocation", ["require", "if-available"])
@pytest.mark.parametrize("authority", ["ask", "ark"])
def test_a_revoked_authority_is_refused(revocation: str, authority: str) -> None:
    """Even when its chain was verified and remembered before."""
    site = Site()
    evidence = site.evidence()
    site.verify(evidence)
    site.collateral.documents[site.crl_name] = site.amd.crl(getattr(site.amd, authority))
    with pytest.raises(RevokedError):
        site.verify(evidence, revocation=revocation)


def test_a_list_that_revokes_others_changes_nothing() -> None:
    """The ASVK is not the ASK."""
    site = Site()
    site.collateral.documents[site.crl_name] = site.amd.crl(site.amd.asvk)
    assert site.verify(site.evidence(), revocation="require")


def test_a_required_list_must_be_there(site: Site) -> None:
    """Without it nobody knows what AMD has revoked."""
    with pytest.raises(CollateralUnavailableError):
        site.verify(site.evidence(), revocation="require")


def test_a_required_list_must_be_current() -> None:
    """An overdue list may hide a newer one."""
    site = Site()
    overdue = site.amd.crl(next_update=NOON - timedelta(seconds=1))
    site.collateral.documents[site.crl_name] = overdue
    with pytest.raises(StaleCollateralError):
        site.verify(site.evidence(), revocation="require")
    assert site.verify(site.evidence())


def flip_last_bit(data: bytes) -> bytes:
    """The same bytes but for the last bit."""
    return data[:-1] + bytes([data[-1] ^ 1])


FORGED_LISTS: dict[str, Callable[[SimulatedAMD], bytes]] = {
    "no list": lambda amd: b"0",
    "signed by the ASK": lambda amd: amd.crl(signer="ask"),
    "another root's": lambda amd: SimulatedAMD("Milan", number=1).crl(),
    "another generation's": lambda amd: SimulatedAMD("Genoa").crl(),
    "flipped": lambda amd: flip_last_bit(amd.crl()),
    "cut": lambda amd: amd.crl()[:-1],
}


@pytest.mark.parametrize("name", FORGED_LISTS)
def test_a_forged_list_is_refused(name: str) -> None:
    """A list that is there is checked, required or not."""
    site = Site()
    site.collateral.documents[site.crl_name] = FORGED_LISTS[name](site.amd)
    with pytest.raises(SignatureError):
        site.verify(site.evidence())


# --- Collateral --------------------------------------------------------------------------------


@pytest.mark.parametrize("body", [b"", b"-----BEGIN CERTIFICATE-----\n?", b"0\x80"])
def test_collateral_that_does_not_parse_is_unavailable(body: bytes) -> None:
    """It is not the guest's fault."""
    site = Site()
    site.collateral.documents["amd/milan/cert_chain"] = body
    with pytest.raises(CollateralUnavailableError):
        site.verify(site.evidence())


def test_a_looked_up_leaf_that_does_not_parse_is_unavailable() -> None:
    """It is not the guest's fault either."""
    site = Site()
    name = f"amd/milan/vcek/{site.chip.hwid.hex()}/bl04_tee00_snp24_ucode219"
    site.collateral.documents[name] = b"0\x00"
    with pytest.raises(CollateralUnavailableError):
        site.verify({**site.evidence(), "cert_chain": None})


@pytest.mark.parametrize("fields", [{"chip_id": bytes(64)}, {"signing_key": 1}])
def test_a_certificate_that_cannot_be_looked_up_must_come_with_the_evidence(
    site: Site, fields: dict[str, Any]
) -> None:
    """A masked chip has no name, and a VLEK is the cloud's own."""
    with pytest.raises(MalformedEvidenceError):
        site.verify({**site.evidence(**fields), "cert_chain": None})


# --- Shapes ------------------------------------------------------------------------------------


def shape_faults() -> dict[str, Callable[[dict[str, Any]], Any]]:
    """Ways in which JSON is not SNP evidence."""

    def chain(value: Any) -> Callable[[dict[str, Any]], Any]:
        return lambda evidence: {**evidence, "cert_chain": value}

    def data(value: Any) -> Callable[[dict[str, Any]], Any]:
        return chain([{"cert_type": "VCEK", "data": value}])

    return {
        "no object": lambda evidence: [evidence],
        "nothing": lambda evidence: None,
        "no report": lambda evidence: {"cert_chain": None},
        "a report that is text": lambda evidence: {**evidence, "attestation_report": "?"},
        "a chain that is text": chain("?"),
        "a chain of text": chain(["?"]),
        "a chain without a leaf": chain([{"cert_type": "Empty", "data": []}]),
        "a chain of too many": chain([{"cert_type": "Empty"}] * 17),
        "no data": data(None),
        "empty data": data([]),
        "data that are no bytes": data([256]),
        "data that are booleans": data([True]),
        "data that are floats": data([1.0]),
        "data of a megabyte": data([48] * 2**20),
        "a certificate of 20 KB": data([48] * 20_000),
        "a kind that is a list": chain([{"cert_type": ["VCEK"], "data": []}]),
    }


@pytest.mark.parametrize("name", shape_faults())
def test_json_of_another_shape_is_malformed(site: Site, name: str) -> None:
    """Never a crash, always the guest's fault."""
    with pytest.raises(MalformedEvidenceError):
        site.verify(shape_faults()[name](copy.deepcopy(site.evidence())))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=12,
)


@settings(max_examples=100, deadline=None)
@given(JSON, st.sampled_from(["attestation_report", "cert_chain"]))
def test_no_json_does_anything_but_be_refused(value: Any, member: str) -> None:
    """Whatever stands in the place of a part."""
    site = Site()
    evidence = {**site.evidence(), member: value}
    if member == "cert_chain" and value in (None, []):
        expected: type[DomainError] = CollateralUnavailableError
    else:
        expected = MalformedEvidenceError
    with pytest.raises(expected):
        site.verify(evidence)


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_no_member_of_the_report_takes_a_value_of_another_kind(data: Any) -> None:
    """Each member in turn becomes something else."""
    site = Site()
    evidence = site.evidence()
    report = evidence["attestation_report"]
    name = data.draw(st.sampled_from(sorted(report)))
    value = data.draw(JSON.filter(lambda value: value != report[name]))
    evidence["attestation_report"] = {**report, name: value}
    with pytest.raises(DomainError):
        site.verify(evidence)
