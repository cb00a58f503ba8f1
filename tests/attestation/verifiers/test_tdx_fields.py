"""Every field of a TD report is a claim as it is; its attributes' bits have names; logs replay."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from paths import VECTORS
from simulated.dcap_site import REPORT_DATA, flipped, machine, refusal, td_verifier, verify_td

from app.attestation.evidence import Binding, Context, UnverifiedEvidence
from app.attestation.formats.dcap_quote import parse_td_quote
from app.attestation.formats.event_log import SHA384, parse_event_log
from app.attestation.formats.td_claims import td_claims
from app.lab.intel import NOON
from app.lab.tdx import SimulatedTD
from guest.wire.encoding import b64_encode

# Offset and size of every field, and what the claims call it (evidence.md, section 5.1).
FIELDS_10 = {
    "tcb_svn": (0, 16),
    "mr_seam": (16, 48),
    "mrsigner_seam": (64, 48),
    "seam_attributes": (112, 8),
    "td_attributes": (120, 8),
    "xfam": (128, 8),
    "mr_td": (136, 48),
    "mr_config_id": (184, 48),
    "mr_owner": (232, 48),
    "mr_owner_config": (280, 48),
    "rtmr_0": (328, 48),
    "rtmr_1": (376, 48),
    "rtmr_2": (424, 48),
    "rtmr_3": (472, 48),
    "report_data": (520, 64),
}
FIELDS_15 = FIELDS_10 | {"tee_tcb_svn2": (584, 16), "mr_servicetd": (600, 48)}
GENUINE = {4: (48, FIELDS_10), 5: (54, FIELDS_15), 6: (48, FIELDS_10)}


def genuine(number: int) -> bytes:
    """A genuine quote: 4 and 6 of TDX 1.0, 5 of TDX 1.5."""
    return (VECTORS / "tdx" / f"tdx_quote_{number}.dat").read_bytes()


@pytest.mark.parametrize("number", GENUINE)
def test_every_field_of_a_genuine_report_is_a_claim(number: int) -> None:
    """By its place in the report, all of them and no others."""
    body_at, fields = GENUINE[number]
    quote = genuine(number)
    body: Any = td_claims(parse_td_quote(quote))["quote"]
    expected = {
        name: quote[body_at + at : body_at + at + size].hex() for name, (at, size) in fields.items()
    }
    assert body["body"] == expected
    assert body.get("type") == ("0300" if number == 5 else None)


@pytest.mark.parametrize("name", FIELDS_15)
def test_no_field_of_a_td_15_can_change(name: str) -> None:
    """Each is signed, those that TDX 1.5 added too."""
    svn = bytes((5, 0, 2)).ljust(16, b"\0")
    quote = machine().quote(REPORT_DATA, SimulatedTD(tcb_svn2=svn, mr_servicetd=b"\1" * 48))
    claims = verify_td(quote)["quote"]["body"]
    at, size = FIELDS_15[name]
    assert claims[name] == quote[54 + at : 54 + at + size].hex()
    for place in (at, at + size - 1):
        found = refusal(lambda place=place: verify_td(flipped(quote, 54 + place, place % 8)))
        # What names the module is looked up before the signature can be checked.
        early = name in {"tcb_svn", "mrsigner_seam", "seam_attributes"}
        assert found in (
            {"signature-invalid", "identity-mismatch"} if early else {"signature-invalid"}
        )


def attributes_of(bits: int) -> dict[str, Any]:
    """The claims about a TD with these attributes."""
    attributes = bits.to_bytes(8, "little")
    claims = verify_td(machine().quote(REPORT_DATA, SimulatedTD(attributes=attributes)))
    assert claims["quote"]["body"]["td_attributes"] == attributes.hex()
    found: dict[str, Any] = claims["td_attributes"]
    return found


ALWAYS = ("debug", "septve_disable", "protection_keys", "key_locker", "perfmon")
NAMED = {
    "debug": [0],
    "septve_disable": [28],
    "protection_keys": [30],
    "key_locker": [31],
    "perfmon": [63],
    "migratable": [29],
    "profiling": [4, 5, 6],
}
HARMLESS = [16, 27]
RESERVED = sorted({*range(64)} - {*HARMLESS, *(bit for bits in NAMED.values() for bit in bits)})


def test_without_bits_five_names_are_false() -> None:
    """As Trustee has them, and no more: what is not so is not there."""
    assert attributes_of(0) == dict.fromkeys(ALWAYS, False)


@pytest.mark.parametrize("name", NAMED)
def test_a_bit_has_its_name_and_no_other(name: str) -> None:
    """One bit at a time."""
    for bit in NAMED[name]:
        assert attributes_of(1 << bit) == dict.fromkeys(ALWAYS, False) | {name: True}


def test_bits_without_a_meaning_are_told_as_bits() -> None:
    """Each of them, and all at once; defences of the TD's own are not among them."""
    for bit in RESERVED:
        told = attributes_of(1 << bit)
        assert told == dict.fromkeys(ALWAYS, False) | {
            "reserved": (1 << bit).to_bytes(8, "little").hex()
        }
    everything = attributes_of(2**64 - 1)
    assert int.from_bytes(bytes.fromhex(everything["reserved"]), "little") == sum(
        1 << bit for bit in RESERVED
    )
    assert attributes_of(sum(1 << bit for bit in HARMLESS)) == dict.fromkeys(ALWAYS, False)


# --- Event logs ----------------------------------------------------------------------------------

LOGS = ["CCEL_data", "CCEL_data_ovmf", "CCEL_data_grub", "CCEL_data_grub_gke", "CCEL_data_gcp"]
AAEL = "CCEL_AAEL_alibabacloud"


def evidence(log: bytes, rtmrs: list[bytes]) -> UnverifiedEvidence:
    """A TD with these registers, and a log."""
    quote = machine().quote(REPORT_DATA, SimulatedTD(rtmrs=rtmrs))
    return UnverifiedEvidence("tdx", {"quote": b64_encode(quote), "cc_eventlog": b64_encode(log)})


def code(log: bytes, rtmrs: list[bytes]) -> str:
    """What becomes of it."""
    context = Context(NOON, machine().publication, {})
    return refusal(lambda: td_verifier().verify(evidence(log, rtmrs), Binding(None), context))


def registers_of(log: bytes) -> list[bytes]:
    """RTMR 0 to 3 after a log, extended here and not by what is tested."""
    values = [bytes(48)] * 4
    for event in parse_event_log(log):
        for algorithm, digest in event.digests:
            if 1 <= event.index <= 4 and algorithm is SHA384:
                values[event.index - 1] = hashlib.sha384(values[event.index - 1] + digest).digest()
    return values


@pytest.mark.parametrize("name", [*LOGS, AAEL])
def test_a_genuine_log_replays_into_its_registers_and_no_others(name: str) -> None:
    """Of firmware, boot loaders, clouds and agents; each register counts by itself."""
    log = (VECTORS / "eventlog" / name).read_bytes()
    rtmrs = registers_of(log)
    assert code(log, rtmrs) == "accepted"
    for index in range(4):
        other = [*rtmrs[:index], flipped(rtmrs[index], 47), *rtmrs[index + 1 :]]
        assert code(log, other) == "event-log-mismatch"


def test_events_of_the_agent_are_claims_with_their_parts() -> None:
    """AAEL: domain, operation and content, of a log whose registers hold."""
    log = (VECTORS / "eventlog" / AAEL).read_bytes()
    context = Context(NOON, machine().publication, {})
    (claims,) = td_verifier().verify(evidence(log, registers_of(log)), Binding(None), context)
    events: Any = claims.values["uefi_event_logs"]
    told = [each["details"] for each in events if each["details"].get("unicode_name") == "AAEL"]
    assert told
    assert all({"domain", "operation", "content"} == set(each["data"]) for each in told)


def test_a_log_by_sm3_does_not_replay_into_a_td() -> None:
    """Registers of a TD are extended by SHA-384; Hygon's are by SM3 (test_csv.py)."""
    log = (VECTORS / "eventlog" / "CCEL_data_csv").read_bytes()
    events = parse_event_log(log)
    assert {algorithm for event in events for algorithm, _ in event.digests} != {SHA384}
    assert code(log, [b"\1" * 48] * 4) == "event-log-mismatch"
