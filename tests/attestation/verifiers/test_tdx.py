"""What the TDX verifier proves, refuses and claims."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from paths import VECTORS
from simulated.dcap_site import (
    CLAIM,
    GENUINE_AT,
    LATER,
    REPORT_DATA,
    flipped,
    genuine_source,
    machine,
    published,
    refusal,
    td_verifier,
    verify_td,
)
from simulated.intel import NEXT_UPDATE, NOON, SimulatedIntel
from simulated.intel_certificates import Platform
from simulated.tdx import SimulatedQE, SimulatedTD, SimulatedTDX, event_log

from app.attestation.evidence import Binding, Context, UnverifiedEvidence
from app.attestation.verifiers.tdx import VERIFIER, TDXVerifier
from app.trust.errors import ConfigError

QUOTE_6 = (VECTORS / "tdx" / "tdx_quote_6.dat").read_bytes()
TCB = "intel/tdx/tcb/50806f000000"
IDENTITY = "intel/tdx/qe-identity"
LOG = event_log([(1, 5, b"one"), (2, 5, b"two"), (4, 5, b"four"), (1, 5, b"more")])


def svn(*leading: int) -> bytes:
    """TDX security versions."""
    return bytes(leading).ljust(16, b"\x00")


def quote(td: SimulatedTD | None = None, **how: Any) -> bytes:
    """A quote of the simulated machine."""
    return machine().quote(REPORT_DATA, td, **how)


BINDINGS = {
    "other report data": (Binding(b"other"), "binding-mismatch"),
    "a prefix": (Binding(REPORT_DATA[:-1]), "binding-mismatch"),
    "a longer text": (Binding(REPORT_DATA + b"!"), "binding-mismatch"),
    "65 bytes that begin alike": (Binding(REPORT_DATA.ljust(65, b"\x00")), "binding-mismatch"),
    "empty report data": (Binding(b""), "binding-mismatch"),
    "other init data": (Binding(REPORT_DATA, b"other"), "init-data-mismatch"),
    "a prefix of init data": (Binding(None, bytes(range(1, 47))), "init-data-mismatch"),
}


@pytest.mark.parametrize(("binding", "code"), BINDINGS.values(), ids=BINDINGS)
def test_refuses_evidence_bound_to_something_else(binding: Binding, code: str) -> None:
    """Genuine evidence for someone else's key, nonce or init data is not ours."""
    td = SimulatedTD(mr_config_id=bytes(range(1, 49)))
    assert refusal(lambda: verify_td(quote(td), binding=binding)) == code


PLATFORMS = {
    "a wrong root": (
        lambda: verify_td(quote(), verifier=TDXVerifier(SimulatedIntel().roots)),
        "root-untrusted",
    ),
    "Intel's root alone": (lambda: verify_td(quote(), verifier=TDXVerifier()), "root-untrusted"),
    "a revoked PCK": (
        lambda: verify_td(
            quote(), source=published(revoked=[machine().pck.certificate.serial_number])
        ),
        "certificate-revoked",
    ),
    "a revoked authority": (
        lambda: verify_td(
            quote(),
            source=published(
                revoked_authorities=[
                    machine().intel.authorities["platform"].certificate.serial_number
                ]
            ),
        ),
        "certificate-revoked",
    ),
    "a revoked TCB signer": (
        lambda: verify_td(
            quote(),
            source=published(
                revoked_authorities=[machine().intel.signer.certificate.serial_number]
            ),
        ),
        "certificate-revoked",
    ),
    "a TCB info of another family": (
        lambda: verify_td(quote(), source=published(tcb_info={"fmspc": "00906ED50000"})),
        "collateral-mismatch",
    ),
    "a TCB info of another PCE": (
        lambda: verify_td(quote(), source=published(tcb_info={"pceId": "0001"})),
        "collateral-mismatch",
    ),
    "a TCB info of SGX": (
        lambda: verify_td(quote(), source=published(tcb_info={"id": "SGX"})),
        "collateral-mismatch",
    ),
    "an identity of the other enclave": (
        lambda: verify_td(quote(), source=published(identity={"id": "QE"})),
        "collateral-mismatch",
    ),
    "a signer of no module": (
        lambda: verify_td(quote(SimulatedTD(mr_seam_signer=b"\x01" * 48))),
        "identity-mismatch",
    ),
    "module attributes": (
        lambda: verify_td(quote(SimulatedTD(seam_attributes=b"\x01" + bytes(7)))),
        "identity-mismatch",
    ),
    "module attributes that Intel signs": (
        lambda: verify_td(
            quote(SimulatedTD(seam_attributes=b"\x01" + bytes(7))),
            source=published(
                tcb_info={
                    "tdxModule": {
                        "mrsigner": "00" * 48,
                        "attributes": "01" + "00" * 7,
                        "attributesMask": "FF" * 8,
                    }
                }
            ),
        ),
        "identity-mismatch",
    ),
    "a module that Intel does not know": (
        lambda: verify_td(quote(SimulatedTD(tcb_svn=svn(5, 2, 2)))),
        "identity-mismatch",
    ),
    "another enclave signer": (
        lambda: verify_td(quote(qe=SimulatedQE(signer=b"\x01" * 32))),
        "identity-mismatch",
    ),
    "another enclave product": (
        lambda: verify_td(quote(qe=SimulatedQE(prod_id=3))),
        "identity-mismatch",
    ),
    "a debug quoting enclave": (
        lambda: verify_td(
            quote(qe=SimulatedQE(attributes=bytes.fromhex("1700000000000000e700000000000000")))
        ),
        "identity-mismatch",
    ),
    "another MISCSELECT": (
        lambda: verify_td(quote(qe=SimulatedQE(misc_select=b"\x01\x00\x00\x00"))),
        "identity-mismatch",
    ),
    "a quoting enclave below every level": (
        lambda: verify_td(quote(qe=SimulatedQE(isv_svn=0))),
        "tcb-unsupported",
    ),
    "a module below every level": (
        lambda: verify_td(quote(SimulatedTD(tcb_svn=svn(1, 1, 2)))),
        "tcb-unsupported",
    ),
    "no level": (
        lambda: verify_td(quote(), source=published(tcb_info={"tcbLevels": []})),
        "tcb-unsupported",
    ),
}


@pytest.mark.parametrize(("verify", "code"), PLATFORMS.values(), ids=PLATFORMS)
def test_refuses_a_platform_that_intel_does_not_vouch_for(verify: Any, code: str) -> None:
    """Each part of the platform that is not as Intel signed it has its own reason."""
    assert refusal(verify) == code


COLLATERAL = {
    "a changed digit in the TCB info": (
        TCB,
        lambda body: body.replace(b'"pcesvn":5', b'"pcesvn":4', 1),
        "signature-invalid",
    ),
    "a changed digit in the identity": (
        IDENTITY,
        lambda body: body.replace(b'"isvsvn":4', b'"isvsvn":3'),
        "signature-invalid",
    ),
    "another key of JSON": (
        TCB,
        lambda body: body.replace(b'"signature"', b'"fmspc":1,"signature"'),
        "accepted",
    ),
    "a TCB info that repeats a member": (
        TCB,
        lambda body: body.replace(b'"signature"', b'"tcbInfo":{},"signature"'),
        "collateral-unavailable",
    ),
    "a TCB info that is no JSON": (TCB, lambda body: body[:-1], "collateral-unavailable"),
    "a TCB info that is a list": (TCB, lambda _: b"[]", "collateral-unavailable"),
    "an identity without signature": (IDENTITY, lambda _: b"{}", "collateral-unavailable"),
    "a root list that does not parse": (
        "intel/rootcacrl",
        lambda body: body[:-1],
        "collateral-unavailable",
    ),
    "a root list in hex": ("intel/rootcacrl", lambda body: body.hex().encode(), "accepted"),
    "a root list with another signature": (
        "intel/rootcacrl",
        lambda body: body[:-1] + bytes([body[-1] ^ 1]),
        "signature-invalid",
    ),
    "a root list of the Platform CA": (
        "intel/rootcacrl",
        lambda _: machine().publication.documents["intel/pckcrl/platform"][0],
        "collateral-mismatch",
    ),
    "a PCK list of the Processor CA": (
        "intel/pckcrl/platform",
        lambda _: machine().publication.documents["intel/pckcrl/processor"][0],
        "collateral-mismatch",
    ),
    "a PCK list of the root": (
        "intel/pckcrl/platform",
        lambda _: machine().publication.documents["intel/rootcacrl"][0],
        "collateral-mismatch",
    ),
}


@pytest.mark.parametrize(("name", "change", "code"), COLLATERAL.values(), ids=COLLATERAL)
def test_judges_every_document_of_intel(name: str, change: Any, code: str) -> None:
    """What Intel did not sign, or signed about something else, vouches for nothing."""
    body, _ = machine().publication.documents[name]
    source = machine().publication.replaced(name, change(body))
    assert refusal(lambda: verify_td(quote(), source=source)) == code


CHAINS = {
    "the chain of the Processor CA": (
        "intel/pckcrl/platform",
        {
            "sgx_pck_crl_issuer_chain": machine().publication.documents["intel/pckcrl/processor"][
                1
            ]["sgx-pck-crl-issuer-chain"]
        },
        "collateral-mismatch",
    ),
    "an authority as TCB signer": (
        TCB,
        {
            "tcb_info_issuer_chain": machine().intel.quoted_chain(
                machine().intel.authorities["platform"]
            )
        },
        "chain-invalid",
    ),
    "a chain under another root": (
        TCB,
        {"tcb_info_issuer_chain": SimulatedTDX().intel.quoted_chain(SimulatedIntel().signer)},
        "root-untrusted",
    ),
    "a leaf that the root did not sign": (
        IDENTITY,
        {
            "sgx_enclave_identity_issuer_chain": machine().intel.quoted_chain(
                SimulatedIntel().signer
            )
        },
        "chain-invalid",
    ),
    "no PEM": (TCB, {"tcb_info_issuer_chain": "%00"}, "collateral-unavailable"),
    "no chain": (TCB, {"tcb_info_issuer_chain": ""}, "collateral-unavailable"),
    "lone surrogates": (TCB, {"tcb_info_issuer_chain": "\ud800"}, "collateral-unavailable"),
}


@pytest.mark.parametrize(("name", "headers", "code"), CHAINS.values(), ids=CHAINS)
def test_judges_every_issuer_chain(name: str, headers: dict[str, str], code: str) -> None:
    """A document is as good as the chain of who signed it."""
    source = machine().publication.replaced(name, **headers)
    assert refusal(lambda: verify_td(quote(), source=source)) == code


def test_two_pinned_roots_do_not_vouch_for_each_other() -> None:
    """A second root that a site trusts cannot sign TCB infos for the first one's platforms."""
    other = SimulatedTDX()
    verifier = TDXVerifier(machine().intel.roots | other.intel.roots)
    body, headers = other.publication.documents[TCB]
    source = machine().publication.replaced(
        TCB, body, tcb_info_issuer_chain=headers["tcb-info-issuer-chain"]
    )
    assert refusal(lambda: verify_td(quote(), source=source, verifier=verifier)) == "chain-invalid"
    assert verify_td(quote(), verifier=verifier)["tcb_status"] == "UpToDate"


@pytest.mark.parametrize(
    "name", ["intel/rootcacrl", "intel/pckcrl/platform", TCB, IDENTITY], ids=str
)
def test_needs_every_document(name: str) -> None:
    """A document that is nowhere to be had is not a check that is left out."""
    source = published()
    del source.documents[name]
    assert refusal(lambda: verify_td(quote(), source=source)) == "collateral-unavailable"


def test_asks_for_nothing_before_the_platform_is_known_to_be_intels() -> None:
    """Strangers cannot make the server fetch documents of families that do not exist."""
    source = published()
    stranger = SimulatedTDX().quote(REPORT_DATA)
    assert refusal(lambda: verify_td(stranger, source=source)) == "root-untrusted"
    assert source.asked == []


DATES = {
    "before the end": (NEXT_UPDATE - timedelta(seconds=1), "accepted"),
    "at the end": (NEXT_UPDATE, "collateral-stale"),
    "before it was issued": (NOON - timedelta(days=11), "collateral-stale"),
    "after certificates": (NOON + timedelta(days=6 * 365), "collateral-stale"),
}


@pytest.mark.parametrize(("now", "outcome"), DATES.values(), ids=DATES)
def test_collateral_serves_within_its_dates(now: Any, outcome: str) -> None:
    """Outside of them evidence is refused, or, where the operator says so, the claim tells."""
    assert refusal(lambda: verify_td(quote(), now=now)) == outcome
    claims = verify_td(quote(), now=now, options=CLAIM)
    assert claims["collateral_expiration_status"] == ("0" if outcome == "accepted" else "1")


def test_dates_are_judged_although_collateral_is_remembered() -> None:
    """What was verified once is not good for ever."""
    assert refusal(lambda: verify_td(quote())) == "accepted"
    assert refusal(lambda: verify_td(quote(), now=NEXT_UPDATE)) == "collateral-stale"


@pytest.mark.parametrize(
    "options", [{"stale_collateral": "ignore"}, {"stale_collateral": True}, {"stale": "claim"}]
)
def test_refuses_options_that_it_does_not_know(options: dict[str, Any]) -> None:
    """A misspelt option is a fault, at start-up and afterwards."""
    with pytest.raises(ConfigError):
        VERIFIER.check_options(options)  # type: ignore[attr-defined]  # of this verifier
    assert refusal(lambda: verify_td(quote(), options=options)) == "config-invalid"


EVIDENCE: dict[str, Any] = {
    "no object": ["quote"],
    "no quote": {},
    "a quote that is a number": {"quote": 1},
    "an empty quote": {"quote": ""},
    "no base64": {"quote": "@@@@"},
    "base64 of the URL alphabet": {"quote": "_-_-"},
    "a quote of 16 KiB and more": {"quote": "AAAA" * 5462},
    "a log that is a list": "log []",
    "a log that is no base64": "log @",
    "a log that does not parse": "log AAAA",
}


@pytest.mark.parametrize("body", EVIDENCE.values(), ids=EVIDENCE)
def test_malformed_evidence_is_malformed(body: Any) -> None:
    """Whatever the shape, the answer says that the evidence does not parse."""
    if isinstance(body, str):
        value = json.loads("[]") if body == "log []" else body.removeprefix("log ")
        body = machine().evidence(REPORT_DATA) | {"cc_eventlog": value}
    context = Context(NOON, machine().publication)
    evidence = UnverifiedEvidence("tdx", body)
    code = refusal(lambda: td_verifier().verify(evidence, Binding(None), context))
    assert code == "malformed-evidence"


@pytest.mark.parametrize("log", [None, b"", LOG], ids=["no log", "an empty log", "a log"])
def test_a_log_is_claimed_when_there_is_one(log: bytes | None) -> None:
    """Its events are claims only after replaying gave the registers in the quote."""
    td = SimulatedTD()
    if log:
        rtmrs = machine().evidence(REPORT_DATA, td, log)
        assert rtmrs["cc_eventlog"] is not None
        context = Context(NOON, machine().publication)
        (claims,) = td_verifier().verify(
            UnverifiedEvidence("tdx", rtmrs), Binding(REPORT_DATA), context
        )
        assert [event["index"] for event in claims.values["uefi_event_logs"]] == [1, 2, 4, 1]
    else:
        assert "uefi_event_logs" not in verify_td(quote(td), log=log)


LOGS = {
    "an event left out": event_log([(1, 5, b"one"), (2, 5, b"two"), (4, 5, b"four")]),
    "another order": event_log([(1, 5, b"more"), (2, 5, b"two"), (4, 5, b"four"), (1, 5, b"one")]),
    "another register": event_log(
        [(1, 5, b"one"), (3, 5, b"two"), (4, 5, b"four"), (1, 5, b"more")]
    ),
    "another event": event_log([(1, 5, b"One"), (2, 5, b"two"), (4, 5, b"four"), (1, 5, b"more")]),
    "no event": event_log([]),
}


@pytest.mark.parametrize("log", LOGS.values(), ids=LOGS)
def test_refuses_a_log_that_does_not_replay(log: bytes) -> None:
    """A log that tells another story than the registers is refused, not reported."""
    honest = machine().evidence(REPORT_DATA, log=LOG)
    told = machine().evidence(REPORT_DATA, log=log)
    body = honest | {"cc_eventlog": told["cc_eventlog"]}
    context = Context(NOON, machine().publication)
    evidence = UnverifiedEvidence("tdx", body)
    code = refusal(lambda: td_verifier().verify(evidence, Binding(None), context))
    assert code == "event-log-mismatch"


def test_init_data_is_padded_or_cut_to_its_field() -> None:
    """Guests put SHA-256 digests, and the beginning of SHA-512 digests, into 48 bytes."""
    digest = bytes(range(64))
    long = quote(SimulatedTD(mr_config_id=digest[:48]))
    short = quote(SimulatedTD(mr_config_id=digest[:32]))
    for each, init_data in ((long, digest), (long, digest[:48]), (short, digest[:32])):
        claims = verify_td(each, binding=Binding(REPORT_DATA, init_data))
        assert claims["init_data"].startswith(digest[:32].hex())


STATUSES = {
    "up to date": (svn(5, 0, 2), SimulatedQE(), "UpToDate", []),
    "a newer platform": (svn(9, 0, 9), SimulatedQE(isv_svn=9), "UpToDate", []),
    "an outdated platform": (svn(4, 0, 2), SimulatedQE(), "OutOfDate", ["INTEL-SA-00001"]),
    "an outdated enclave": (
        svn(5, 0, 2),
        SimulatedQE(isv_svn=3),
        "OutOfDate",
        ["INTEL-SA-00002"],
    ),
    "both": (svn(), SimulatedQE(isv_svn=1), "OutOfDate", ["INTEL-SA-00001", "INTEL-SA-00002"]),
    "a module of its own": (svn(5, 1, 2), SimulatedQE(), "UpToDate", []),
    "an outdated module": (svn(3, 3, 2), SimulatedQE(), "OutOfDate", ["INTEL-SA-01003"]),
}


@pytest.mark.parametrize(("tcb", "qe", "status", "advisories"), STATUSES.values(), ids=STATUSES)
def test_rates_the_platform_with_its_enclave_and_module(
    tcb: bytes, qe: SimulatedQE, status: str, advisories: list[str]
) -> None:
    """The worst of the three decides, and the advisories of all are claimed."""
    claims = verify_td(quote(SimulatedTD(tcb_svn=tcb), qe=qe))
    assert (claims["tcb_status"], claims["advisory_ids"]) == (status, advisories)
    assert "tcb_status_current" not in claims


RELAUNCHES = {
    "a module that was updated": (svn(3, 1, 2), svn(5, 1, 2), "TDRelaunchAdvised", "UpToDate"),
    "a module of the next generation": (
        svn(3, 1, 2),
        svn(5, 3, 2),
        "TDRelaunchAdvised",
        "UpToDate",
    ),
    "nothing to gain": (svn(3, 1, 2), svn(4, 1, 2), "OutOfDate", "OutOfDate"),
    "fresh all along": (svn(5, 1, 2), svn(6, 1, 2), "UpToDate", "UpToDate"),
}


@pytest.mark.parametrize(
    ("launch", "current", "status", "now"), RELAUNCHES.values(), ids=RELAUNCHES
)
def test_rates_a_td_15_twice(launch: bytes, current: bytes, status: str, now: str) -> None:
    """A TD that was launched under an old module and runs under a new one should be relaunched."""
    claims = verify_td(quote(SimulatedTD(tcb_svn=launch, tcb_svn2=current)))
    assert (claims["tcb_status"], claims["tcb_status_current"]) == (status, now)
    assert claims["quote"]["type"] == "0300"
    assert claims["quote"]["size"] == "88020000"
    assert claims["quote"]["body"]["tee_tcb_svn2"] == current.hex()


def test_a_current_module_that_intel_does_not_support_is_refused() -> None:
    """The TCB that a TD runs under must be one that Intel knows."""
    unknown = quote(SimulatedTD(tcb_svn=svn(5, 1, 2), tcb_svn2=svn(5, 2, 2)))
    assert refusal(lambda: verify_td(unknown)) == "identity-mismatch"
    old = quote(SimulatedTD(tcb_svn=svn(5, 1, 2), tcb_svn2=svn(1, 1, 2)))
    assert refusal(lambda: verify_td(old)) == "tcb-unsupported"


def test_debug_and_its_sisters_are_claims() -> None:
    """Attributes are for policy to judge; the verifier says what they are."""
    everything = (1 | 1 << 28 | 1 << 30 | 1 << 31 | 1 << 63).to_bytes(8, "little")
    attributes = verify_td(quote(SimulatedTD(attributes=everything)))["td_attributes"]
    assert attributes == dict.fromkeys(attributes, True)
    assert len(attributes) == 5
    none = verify_td(quote(SimulatedTD(attributes=bytes(8), mr_servicetd=b"\x01" * 48)))
    assert none["td_attributes"] == dict.fromkeys(attributes, False)


@pytest.mark.parametrize("version", [4, 5])
def test_takes_both_versions_and_padding(version: int) -> None:
    """A TD 1.0 body comes in either version, and zeros may follow the quote."""
    claims = verify_td(quote(version=version, padding=3000), binding=Binding(REPORT_DATA))
    assert claims["quote"]["header"]["version"] == f"0{version}00"
    assert ("type" in claims["quote"]) == (version == 5)


def test_a_platform_under_the_processor_ca_has_no_instance() -> None:
    """Single-package platforms have another authority, another list, and fewer claims."""
    intel = machine().intel
    single = SimulatedTDX(intel, Platform(authority="processor", sgx_type=0))
    claims = verify_td(single.quote(REPORT_DATA), source=single.publication)
    assert "intel/pckcrl/processor" in single.publication.asked
    assert claims["sgx_type"] == "Standard"
    assert not {"platform_instance_id", "is_smt_enabled"} & claims.keys()


def test_an_operator_may_add_a_root() -> None:
    """The simulated root, as a file that a site vouches for, makes simulated evidence acceptable."""
    verifier = TDXVerifier().with_extra_roots(machine().intel.root_pem)
    assert verify_td(quote(), verifier=verifier)["tcb_status"] == "UpToDate"
    for wrong in (b"", b"no PEM", machine().intel.signer.pem):
        with pytest.raises(ConfigError):
            TDXVerifier().with_extra_roots(wrong)


@pytest.mark.parametrize(
    ("now", "options", "expired"),
    [(LATER, CLAIM, "1"), (GENUINE_AT, {}, "0"), (GENUINE_AT, CLAIM, "0")],
    ids=["a year later", "in its time, refusing", "in its time, claiming"],
)
def test_accepts_genuine_evidence_with_exactly_the_expected_claims(
    now: Any, options: dict[str, Any], expired: str
) -> None:
    """A real quote under Intel's real root and collateral, against an independent implementation."""
    expected = json.loads((VECTORS / "tdx" / "tdx_quote_6.claims.json").read_bytes())
    claims = verify_td(
        QUOTE_6,
        source=genuine_source(),
        now=now,
        options=options,
        verifier=TDXVerifier(),
        binding=Binding(
            bytes.fromhex(expected["report_data"])[:48], bytes.fromhex(expected["init_data"])
        ),
    )
    assert claims == expected | {"collateral_expiration_status": expired}


def test_refuses_genuine_evidence_with_expired_collateral() -> None:
    """By default nobody is vouched for by documents that Intel has replaced."""
    code = refusal(
        lambda: verify_td(QUOTE_6, source=genuine_source(), now=LATER, verifier=TDXVerifier())
    )
    assert code == "collateral-stale"


@pytest.mark.parametrize("number", [4, 5])
def test_refuses_genuine_evidence_without_or_with_wrong_collateral(number: int) -> None:
    """Collateral of another family of platforms is genuine, and about somebody else."""
    quoted = (VECTORS / "tdx" / f"tdx_quote_{number}.dat").read_bytes()
    family = {4: "50806f000000", 5: "90c06f000000"}[number]
    source = genuine_source()
    wrong = replace(
        source, changes={f"intel/tdx/tcb/{family}": source.get("intel/tdx/tcb/00a06d080000")}
    )
    for each, code in ((source, "collateral-unavailable"), (wrong, "collateral-mismatch")):
        outcome = refusal(
            lambda each=each: verify_td(
                quoted, source=each, now=LATER, options=CLAIM, verifier=TDXVerifier()
            )
        )
        assert outcome == code


def test_refuses_a_flipped_bit_in_genuine_evidence() -> None:
    """The last bytes of the body of a real quote are signed, too."""
    changed = flipped(QUOTE_6, 48 + 584 - 1)
    code = refusal(
        lambda: verify_td(changed, source=genuine_source(), now=GENUINE_AT, verifier=TDXVerifier())
    )
    assert code == "signature-invalid"
