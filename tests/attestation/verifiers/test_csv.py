"""CSV evidence: genuine, synthetic and simulated, and every refusal for its reason."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from fakes import NOON
from hypothesis import given, settings
from hypothesis import strategies as st
from paths import VECTORS
from simulated.collateral import MemoryCollateral
from simulated.hygon import (
    CEK,
    HSK,
    PEK,
    Key,
    Site,
    chip,
    sm3,
    v1_report,
    v2_report,
)

from app.attestation.evidence import (
    Binding,
    Claims,
    Context,
    RootedVerifier,
    UnverifiedEvidence,
)
from app.attestation.formats.event_log import SM3, parse_event_log, replay
from app.attestation.verifiers.csv import VERIFIER, CSVVerifier
from app.trust.errors import (
    BindingMismatchError,
    ChainError,
    CollateralUnavailableError,
    ConfigError,
    DomainError,
    EventLogMismatchError,
    MalformedEvidenceError,
    SignatureError,
    UntrustedRootError,
)
from guest.wire.encoding import b64_encode

SYNTHETIC = VECTORS / "synthetic" / "csv"
NAME = "hygon/hsk_cek/sim0001"
GENUINE_NAME = "hygon/hsk_cek/kpa64911240507"
UNBOUND = Binding(None)
SITE = Site()
TRUSTING = CSVVerifier().with_extra_roots(SITE.root())
PLAIN = SITE.csv_evidence(v1_report(SITE.pek))
LOG = (VECTORS / "eventlog" / "CCEL_data_csv").read_bytes()


def collateral() -> MemoryCollateral:
    """Hygon has the pair of the simulated chip."""
    return MemoryCollateral({NAME: SITE.pair()})


def verify(
    evidence: Any,
    binding: Binding = UNBOUND,
    verifier: CSVVerifier = TRUSTING,
    source: MemoryCollateral | None = None,
) -> Claims:
    """The one set of claims, or the refusal."""
    context = Context(NOON, source or collateral())
    (claims,) = verifier.verify(UnverifiedEvidence("csv", evidence), binding, context)
    return claims


def genuine() -> dict[str, Any]:
    """Evidence of a Hygon machine; its HSK and CEK are not among the vectors."""
    return json.loads((VECTORS / "csv" / "csv_evidence.json").read_text("utf-8"))


def registers() -> list[bytes]:
    """What the log's events make of RTMR 0 to 4; none of them is of RTMR 0."""
    events = parse_event_log(LOG)
    return [bytes(32)] + [replay(events, index, SM3) for index in range(1, 5)]


def with_log(log: bytes, rtmrs: list[bytes]) -> dict[str, Any]:
    """Evidence of version 2 with an event log."""
    report = v2_report(SITE.pek, rtmrs=rtmrs)
    return {**SITE.csv_evidence(report), "cc_eventlog": b64_encode(log)}


# --- Mutations ---------------------------------------------------------------------------------


def of_site(site: Site) -> Callable[[], dict[str, Any]]:
    """Evidence of a platform whose keys are others, with all its certificates."""
    return lambda: site.csv_evidence(v1_report(site.pek), pair=site.pair())


def pek_as(make: Callable[[], bytes]) -> Callable[[], dict[str, Any]]:
    """Evidence whose PEK has this certificate."""
    return lambda: SITE.csv_evidence(v1_report(SITE.pek), pek=make())


def cek_as(make: Callable[[], bytes]) -> Callable[[], dict[str, Any]]:
    """Evidence whose CEK has this certificate."""
    return lambda: SITE.csv_evidence(v1_report(SITE.pek), pair=SITE.pair()[:832] + make())


def reported(make: Callable[[Key], dict[str, Any]]) -> Callable[[], dict[str, Any]]:
    """Evidence with this report."""
    return lambda: SITE.csv_evidence(make(SITE.pek))


STRANGER = Key("SIM-PEK", PEK, 1)
MUTATIONS: dict[str, tuple[Callable[[], dict[str, Any]], type[DomainError]]] = {
    "another root": (of_site(replace(SITE, hrk=Key("OTHER-HRK", 0))), UntrustedRootError),
    "another root of the same name": (of_site(replace(SITE, hrk=Key("SIM-HRK", 0, 1))), ChainError),
    "an HSK for something else": (of_site(replace(SITE, hsk=Key("SIM-HSK", CEK))), ChainError),
    "a CEK for something else": (of_site(replace(SITE, cek=Key("SIM-CEK", HSK))), ChainError),
    "another HSK's CEK": (
        cek_as(lambda: chip(SITE.cek, Key("SIM-HSK", HSK, 1))),
        ChainError,
    ),
    "a CEK whose slot is of a CEK": (
        cek_as(lambda: chip(SITE.cek, SITE.hsk, usage=CEK)),
        ChainError,
    ),
    "a CEK without a signature": (cek_as(lambda: chip(SITE.cek)), ChainError),
    "another CEK's PEK": (pek_as(lambda: chip(SITE.pek, Key("SIM-CEK", CEK, 1))), ChainError),
    "a PEK for something else": (
        pek_as(lambda: chip(Key("SIM-PEK", 0x1003), SITE.cek)),
        ChainError,
    ),
    "a PEK whose slot is of an HSK": (
        pek_as(lambda: chip(SITE.pek, SITE.cek, usage=HSK)),
        ChainError,
    ),
    "a PEK without a signature": (pek_as(lambda: chip(SITE.pek)), ChainError),
    "another key's report": (reported(lambda _: v1_report(STRANGER)), SignatureError),
    "another key's report of version 2": (reported(lambda _: v2_report(STRANGER)), SignatureError),
    "a report of a CEK, it says": (
        reported(lambda key: v1_report(key, sig_usage=CEK)),
        SignatureError,
    ),
    "a report of a CEK, version 2 says": (
        reported(lambda key: v2_report(key, sig_usage=CEK)),
        SignatureError,
    ),
    "another algorithm": (reported(lambda key: v2_report(key, sig_algo=3)), SignatureError),
    "version 2 called version 1": (
        reported(lambda key: {**v2_report(key), "flags": 0}),
        SignatureError,
    ),
    "a log of other events": (lambda: with_log(LOG, [bytes(32)] * 5), EventLogMismatchError),
    "a log of nothing": (lambda: with_log(b"", registers()), MalformedEvidenceError),
    "a cut log": (lambda: with_log(LOG[:1000], registers()), MalformedEvidenceError),
    "a log that is no base64": (
        lambda: {**with_log(LOG, registers()), "cc_eventlog": "?"},
        MalformedEvidenceError,
    ),
}


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_mutation_is_refused_for_its_reason(name: str) -> None:
    """One thing is wrong, and the reason code says which."""
    build, error = MUTATIONS[name]
    with pytest.raises(error) as refusal:
        verify(build())
    assert type(refusal.value) is error


BINDINGS = {
    "other report data": b"other",
    "a longer value": b"bound!",
    "nothing": b"",
    "a prefix": b"boun",
    "65 bytes": b"bound".ljust(65, b"\0"),
}


@pytest.mark.parametrize("make", [v1_report, v2_report])
@pytest.mark.parametrize("name", BINDINGS)
def test_evidence_bound_to_something_else_is_refused(name: str, make: Any) -> None:
    """Genuine evidence for someone else's key or nonce is not ours."""
    evidence = SITE.csv_evidence(make(SITE.pek, b"bound"))
    with pytest.raises(BindingMismatchError):
        verify(evidence, Binding(BINDINGS[name]))


def flipped(evidence: dict[str, Any], offset: int) -> dict[str, Any]:
    """The evidence with one bit of the report turned over."""
    changed = copy.copy(evidence)
    data = [*evidence["attestation_report"]["data"]]
    data[offset] ^= 1 << offset % 8
    changed["attestation_report"] = {**evidence["attestation_report"], "data": data}
    return changed


def test_one_flipped_bit_anywhere_in_a_genuine_report_is_refused() -> None:
    """In what is signed, in the kind of key, in the mask, in r and s; Hygon is not even asked."""
    evidence, source = genuine(), MemoryCollateral({})
    for offset in range(192 + 144):
        with pytest.raises(SignatureError):
            verify(flipped(evidence, offset), source=source)
    assert source.asked == []


def test_one_flipped_bit_in_a_report_of_version_2_is_refused() -> None:
    """Registers and reserved bytes are signed, too; every fifth byte, because SM2 is slow."""
    evidence = SITE.csv_evidence(v2_report(SITE.pek))
    for offset in range(0, 1024 + 144, 5):
        with pytest.raises(SignatureError):
            verify(flipped(evidence, offset))


def test_one_flipped_bit_in_a_certificate_is_refused() -> None:
    """HSK, CEK and PEK, in what is signed and in the signatures; a byte here and there."""
    pair, pek = SITE.pair(), SITE.platform()
    report = v1_report(SITE.pek)
    authority_ends, chip_ends = 0x240 + 144, 0x414 + 152
    places = [(0, at) for at in range(0, authority_ends, 17)]
    places += [(0, 832 + at) for at in range(0, chip_ends, 29)]
    places += [(1, at) for at in range(0, chip_ends, 29)]
    for which, at in places:
        parts = [bytearray(pair), bytearray(pek)]
        parts[which][at] ^= 1 << at % 8
        evidence = SITE.csv_evidence(report, *(bytes(part) for part in parts))
        with pytest.raises((ChainError, MalformedEvidenceError, SignatureError)):
            verify(evidence)


# --- Collateral --------------------------------------------------------------------------------


def test_genuine_evidence_needs_the_certificates_of_its_chip() -> None:
    """Its report verifies; then Hygon's documents are missing, and the refusal names them."""
    with pytest.raises(CollateralUnavailableError, match=GENUINE_NAME):
        verify(genuine(), verifier=CSVVerifier(), source=MemoryCollateral({}))


def test_another_chips_certificates_do_not_vouch_for_genuine_evidence() -> None:
    """Whoever controls the folder or the network cannot make them up."""
    source = MemoryCollateral({GENUINE_NAME: SITE.pair()})
    with pytest.raises(UntrustedRootError):
        verify(genuine(), verifier=CSVVerifier(), source=source)
    with pytest.raises(ChainError):
        verify(genuine(), source=source)


@pytest.mark.parametrize(
    "body", [b"", b"<html>", SITE.pair()[:-1], SITE.pair() + b"\0", b"\1" * 2916]
)
def test_collateral_that_does_not_parse_is_unavailable(body: bytes) -> None:
    """It is not the guest's fault."""
    with pytest.raises(CollateralUnavailableError):
        verify(SITE.csv_evidence(v1_report(SITE.pek)), source=MemoryCollateral({NAME: body}))


SERIALS = {
    "a path": b"../../etc/passwd",
    "a query": b"KPA&x=1",
    "an escape": b"KPA%2F",
    "small letters": b"kpa64911240507",
    "a line": b"KPA\n",
    "a space": b"KPA 1",
    "a zero within": b"KPA\x001",
    "nothing": b"",
    "no text": b"\xff\xfe",
    "digits of another script": "\u0661".encode(),
}


@pytest.mark.parametrize("name", SERIALS)
def test_issue_41_a_serial_number_is_checked_before_it_becomes_a_name(name: str) -> None:
    """Unverified bytes are never spliced into a path or an address."""
    source = collateral()
    evidence = SITE.csv_evidence(v1_report(SITE.pek))
    evidence["serial_number"] = [*SERIALS[name].ljust(64, b"\0")]
    with pytest.raises(MalformedEvidenceError):
        verify(evidence, source=source)
    assert source.asked == []


def test_fetched_certificates_are_kept_once_they_verified_evidence() -> None:
    """Not before, because anyone can invent a serial number; and once."""
    source, verifier = collateral(), CSVVerifier().with_extra_roots(SITE.root())
    with pytest.raises(BindingMismatchError):
        verify(SITE.csv_evidence(v1_report(SITE.pek)), Binding(b"?"), verifier, source)
    assert source.kept == []
    for _ in range(2):
        verify(SITE.csv_evidence(v1_report(SITE.pek)), UNBOUND, verifier, source)
    assert [each.name for each in source.kept] == [NAME]


def test_certificates_in_the_evidence_are_used_and_nobody_is_asked() -> None:
    """A guest may bring them along."""
    source = MemoryCollateral({})
    assert verify(SITE.csv_evidence(v1_report(SITE.pek), SITE.pair()), source=source)
    assert source.asked == []


# --- Roots -------------------------------------------------------------------------------------


def bad_roots() -> dict[str, bytes]:
    """Files that hold no roots."""
    return {
        "nothing": b"",
        "text": b"-----BEGIN CERTIFICATE-----\n",
        "cut": SITE.root()[:-1],
        "one and a half": SITE.root() + SITE.root()[:400],
        "an HSK": SITE.pair()[:832],
        "a forged root": SITE.root()[:0x240] + Site(Key("X", 0)).root()[0x240:],
    }


@pytest.mark.parametrize("name", bad_roots())
def test_extra_roots_must_be_roots(name: str) -> None:
    """The operator hears it when the server starts."""
    with pytest.raises(ConfigError, match=r"insecure_extra_roots\.csv"):
        CSVVerifier().with_extra_roots(bad_roots()[name])


def test_a_stranger_is_refused_without_the_extra_root() -> None:
    """The simulated root is trusted only where it was added."""
    with pytest.raises(UntrustedRootError):
        verify(SITE.csv_evidence(v1_report(SITE.pek)), verifier=CSVVerifier())


# --- Shapes ------------------------------------------------------------------------------------


def shape_faults() -> dict[str, Callable[[dict[str, Any]], Any]]:
    """Ways in which JSON is not CSV evidence."""

    def put(path: str, value: Any) -> Callable[[dict[str, Any]], Any]:
        def change(evidence: dict[str, Any]) -> dict[str, Any]:
            *parents, last = path.split(".")
            at = evidence
            for parent in parents:
                at = at[parent]
            at[last] = value
            return evidence

        return change

    report, pek = "attestation_report", "cert_chain.pek"
    return {
        "no object": lambda evidence: [evidence],
        "nothing": lambda _: None,
        "no report": put(report, None),
        "no chain": put("cert_chain", []),
        "no PEK": put(pek, None),
        "a short serial": put("serial_number", [65] * 63),
        "a serial that is text": put("serial_number", "KPA"),
        "short data": put(f"{report}.data", [0] * 4095),
        "long data": put(f"{report}.data", [0] * 4097),
        "data that are booleans": put(f"{report}.data", [True] * 4096),
        "data that are no bytes": put(f"{report}.data", [256] * 4096),
        "negative data": put(f"{report}.data", [-1] * 4096),
        "data that are floats": put(f"{report}.data", [1.0] * 4096),
        "flags that are a boolean": put(f"{report}.flags", False),
        "large flags": put(f"{report}.flags", 2**32),
        "an unknown magic": put(f"{report}.magic", [1] * 16),
        "a short magic": put(f"{report}.magic", []),
        "half a pair": put("cert_chain.hsk_cek", {"hsk": None}),
        "a pair that is a list": put("cert_chain.hsk_cek", []),
        "a PEK of version 2": put(f"{pek}.body.ver", 2),
        "a PEK on another curve": put(f"{pek}.body.data.pubkey.key.g", 1),
        "a PEK of another algorithm": put(f"{pek}.body.data.pubkey.algo", 3),
        "a PEK off the curve": put(f"{pek}.body.data.pubkey.key.x", [1] * 72),
        "a PEK with a long name": put(f"{pek}.body.data.uid_size", 255),
        "a PEK with one slot": put(f"{pek}.sigs", [{}]),
        "a PEK with empty slots": put(f"{pek}.sigs", [{}, {}]),
        "a PEK without slots": put(f"{pek}.sigs", None),
        "a PEK without a key": put(f"{pek}.body.data.pubkey", 3),
    }


@pytest.mark.parametrize("name", shape_faults())
def test_json_of_another_shape_is_malformed(name: str) -> None:
    """Said as such, and not by a crash."""
    evidence = SITE.csv_evidence(v1_report(SITE.pek))
    with pytest.raises(MalformedEvidenceError):
        verify(shape_faults()[name](evidence))


@pytest.mark.parametrize("flags", [2, 256, 2**32 - 1])
def test_an_unknown_version_is_malformed(flags: int) -> None:
    """The flags of the extension count versions."""
    report = {**v2_report(SITE.pek), "flags": flags}
    with pytest.raises(MalformedEvidenceError):
        verify(SITE.csv_evidence(report))


@settings(max_examples=60, deadline=None)
@given(junk=st.recursive(st.none() | st.integers() | st.text(), st.lists))
def test_junk_anywhere_is_a_refusal(junk: Any) -> None:
    """Whatever stands in the place of a member."""
    for name in ("attestation_report", "cert_chain", "serial_number"):
        with pytest.raises(MalformedEvidenceError):
            verify({**PLAIN, name: junk})


# --- Acceptance --------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_synthetic_evidence_gives_its_claims(version: str) -> None:
    """Made by another implementation under a root of its own."""
    evidence = json.loads((SYNTHETIC / f"evidence-{version}.json").read_text("utf-8"))
    claims = json.loads((SYNTHETIC / f"evidence-{version}.claims.json").read_text("utf-8"))
    verifier = CSVVerifier().with_extra_roots((SYNTHETIC / "hrk.cert").read_bytes())
    pair = (SYNTHETIC / "hsk_cek.cert").read_bytes()
    source = MemoryCollateral({"hygon/hsk_cek/synthetic0001": pair})
    found = verify(evidence, Binding(b"synthetic-report-data"), verifier, source)
    assert found == Claims("cpu", claims)
    with pytest.raises(UntrustedRootError):
        verify(evidence, verifier=CSVVerifier(), source=source)


def test_an_event_log_that_replays_becomes_claims() -> None:
    """The genuine log of a CSV guest, in the shape that Trustee gives it."""
    told = json.loads((VECTORS / "eventlog" / "CCEL_data_csv_out.json").read_text("utf-8"))
    claims = verify(with_log(LOG, registers()))
    assert claims.values["uefi_event_logs"] == told.get("uefi_event_logs", told)


def test_a_log_beside_a_report_of_version_1_is_no_claim() -> None:
    """It has no registers that could vouch for the events."""
    evidence = {**SITE.csv_evidence(v1_report(SITE.pek)), "cc_eventlog": b64_encode(LOG)}
    assert "uefi_event_logs" not in verify(evidence).values
    assert "cc_eventlog" in genuine()


def test_the_mask_of_version_1_is_not_signed_and_moves_every_field() -> None:
    """A limit of the hardware's format: who turns a bit of the policy turns the measurement."""
    evidence = SITE.csv_evidence(v1_report(SITE.pek))
    honest = verify(evidence).values
    data = evidence["attestation_report"]["data"]
    for offset in (184, 180, 188):
        data[offset] ^= 1
    turned = verify(evidence).values
    assert turned["policy"] != honest["policy"]
    assert turned["measure"] != honest["measure"]
    assert turned["report_data"] != honest["report_data"]


def test_nothing_is_asked_about_init_data() -> None:
    """CSV has no field for it, so no claim says that it was checked."""
    claims = verify(SITE.csv_evidence(v1_report(SITE.pek)), Binding(None, sm3(b"init data")))
    assert "init_data" not in claims.values


def test_the_built_in_verifier_trusts_hygon_alone() -> None:
    """And sites may add roots to it."""
    assert (VERIFIER.tee, VERIFIER.insecure) == ("csv", False)
    assert isinstance(VERIFIER, RootedVerifier)
