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
    refusal,
    td_verifier,
    verify_td,
)

from app.attestation.evidence import Binding, Context, UnverifiedEvidence
from app.attestation.verifiers.tdx import VERIFIER, TDXVerifier
from app.lab.intel import NEXT_UPDATE, NOON
from app.lab.intel_certificates import Platform
from app.lab.tdx import SimulatedTD, SimulatedTDX, event_log
from app.trust.errors import ConfigError

QUOTE_6 = (VECTORS / "tdx" / "tdx_quote_6.dat").read_bytes()
ONE, TWO, FOUR, MORE = (1, 5, b"one"), (2, 5, b"two"), (4, 5, b"four"), (1, 5, b"more")
LOG = event_log([ONE, TWO, FOUR, MORE])


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
    "an event left out": event_log([ONE, TWO, FOUR]),
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
    """The simulated root, as a file that a site vouches for, makes its evidence acceptable."""
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
    """A real quote under Intel's real root, against an independent implementation."""
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
