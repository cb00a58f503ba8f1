"""Dates are read from what vendors serve, whatever its form."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from fakes import NOON
from simulated.dcap_site import machine

from app.attestation.collateral.catalogue import Form, VendorDocument
from app.attestation.collateral.dates import Dates, dated, dates_of
from app.attestation.collateral.ports import Collateral
from app.lab.amd_authority import END, START, SimulatedAMD
from app.lab.intel import NEXT_UPDATE, PUBLISHED_AT
from app.lab.snp import make_chip

AMD = SimulatedAMD("Milan")
INTEL = machine().publication.documents
HOUR, DAY = timedelta(hours=1), timedelta(days=1)

BODIES = {
    "a chain": (AMD.documents()["amd/milan/cert_chain"], Dates(START, END)),
    "a list": (AMD.crl(), Dates(START, END)),
    "a chip's certificate": (make_chip(AMD).certificate, Dates(START, END)),
    "a TCB info": (INTEL["intel/tdx/tcb/50806f000000"][0], Dates(PUBLISHED_AT, NEXT_UPDATE)),
    "an identity": (INTEL["intel/tdx/qe-identity"][0], Dates(PUBLISHED_AT, NEXT_UPDATE)),
    "a list in hex": (INTEL["intel/rootcacrl"][0].hex().encode(), Dates(PUBLISHED_AT, NEXT_UPDATE)),
}


@pytest.mark.parametrize("name", BODIES)
def test_what_a_document_says_of_itself_is_read(name: str) -> None:
    """Certificates, lists, and Intel's signed documents."""
    body, expected = BODIES[name]
    assert dates_of(body) == expected


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"{",
        b"{}",
        b'{"tcbInfo": {}}',
        b'{"tcbInfo": {"issueDate": 1, "nextUpdate": 2}}',
        b'{"tcbInfo": {"issueDate": "2026-01-01", "nextUpdate": "2026-02-01"}}',
        b"\x30\x00",
        b"30zz",
        b"-----BEGIN CERTIFICATE-----",
        b"\x01\x00\x00\x00",
    ],
)
def test_what_has_no_dates_has_none(body: bytes) -> None:
    """Nothing here refuses anything."""
    assert dates_of(body) == Dates()


def aged(max_age: timedelta | None, issued: timedelta, over: timedelta) -> timedelta | None:
    """After how long a document fetched at noon is due, that was issued and is over then."""
    body = b'{"tcbInfo": {"issueDate": "%s", "nextUpdate": "%s"}}' % (
        (NOON + issued).isoformat().encode(),
        (NOON + over).isoformat().encode(),
    )
    found = Collateral("intel/x", body, {}, NOON, "x")
    due = dated(found, VendorDocument("", Form.JSON, max_age=max_age), 3 * DAY).ageing_at
    return None if due is None else due - NOON


@pytest.mark.parametrize(
    ("max_age", "issued", "over", "due"),
    [
        (DAY, -DAY, 29 * DAY, DAY),
        (30 * DAY, -DAY, 29 * DAY, 26 * DAY),
        (30 * DAY, -DAY, 3 * DAY, 2 * DAY),
        (DAY, -29 * DAY, DAY, HOUR),
        (DAY, -40 * DAY, -DAY, HOUR / 6),
        (None, -DAY, 29 * DAY, None),
    ],
    ids=["age", "the end", "a short life", "nearly over", "over", "never"],
)
def test_a_newer_document_is_asked_for_in_time(
    max_age: timedelta | None, issued: timedelta, over: timedelta, due: timedelta | None
) -> None:
    """By age or by the vendor's date, whichever is first, and never at once again."""
    assert aged(max_age, issued, over) == due


def test_times_are_in_utc() -> None:
    """Whatever zone a vendor writes."""
    body = (
        b'{"enclaveIdentity": {"issueDate": "2026-01-01T02:00:00+02:00",'
        b' "nextUpdate": "2026-02-01T00:00:00Z"}}'
    )
    assert dates_of(body).issued_at == datetime(2026, 1, 1, tzinfo=UTC)
