"""CSV and DCU: one refusal for each check and each of its reasons."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from fakes import NOON
from simulated.collateral import MemoryCollateral, VendorCollateral
from simulated.hygon import CEK, HSK, SERIAL, Key, Site, chip, dcu_report, v1_report, v2_report

from app.attestation.evidence import Binding, Context, UnverifiedEvidence
from app.attestation.verifiers.csv import CSVVerifier
from app.attestation.verifiers.hygondcu import HygonDCUVerifier
from app.lab.tdx import event_log
from guest.wire.encoding import b64_encode

Attempt = Callable[[], object]
Rows = dict[str, Attempt]
SITE = Site()
NAME = f"hygon/hsk_cek/{SERIAL.lower()}"
CSV = CSVVerifier().with_extra_roots(SITE.root())
DCU = HygonDCUVerifier().with_extra_roots(SITE.root())
STRANGER = Key("SIM-CEK", CEK, 1)
# Certificates of chips that something is wrong with.
OTHER_ROOT = replace(SITE, hrk=Key("OTHER-HRK", 0)).pair
WRONG_USAGE = replace(SITE, hsk=Key("SIM-HSK", CEK)).pair
WRONG_HSK = replace(SITE, hrk=Key("SIM-HRK", 0, 1)).pair


def verify_csv(evidence: Any, binding: Binding | None = None, source: Any = None) -> object:
    """The claims of a CSV guest."""
    context = Context(NOON, source or MemoryCollateral({NAME: SITE.pair()}))
    return CSV.verify(UnverifiedEvidence("csv", evidence), binding or Binding(None), context)


def verify_dcu(reports: Any, binding: Binding | None = None, source: Any = None) -> object:
    """The claims of DCUs."""
    context = Context(NOON, source or MemoryCollateral({NAME: SITE.pair()}))
    evidence = UnverifiedEvidence("hygondcu", {"attestation_reports": reports})
    return DCU.verify(evidence, binding or Binding(b"bound"), context)


def with_log(log: bytes) -> dict[str, Any]:
    """Evidence of version 2 whose registers are zero."""
    return SITE.csv_evidence(v2_report(SITE.pek)) | {"cc_eventlog": b64_encode(log)}


def csv_rows() -> Rows:
    """All of ``csv``."""
    report = v1_report(SITE.pek, b"bound")
    plain = SITE.csv_evidence(report)
    half = plain | {"cert_chain": {**plain["cert_chain"], "hsk_cek": {"hsk": None}}}

    def chained(pair: bytes) -> Attempt:
        return lambda: verify_csv(SITE.csv_evidence(report, pair=pair))

    return {
        "1 malformed-evidence": lambda: verify_csv(plain | {"serial_number": [*b"../x".ljust(64)]}),
        "2 signature-invalid": lambda: verify_csv(
            SITE.csv_evidence(v1_report(Key("SIM-PEK", 0x1002, 1)))
        ),
        "3 malformed-evidence": lambda: verify_csv(half),
        "3 collateral-unavailable": lambda: verify_csv(plain, source=MemoryCollateral({})),
        "3 platform-unknown": lambda: verify_csv(plain, source=VendorCollateral({})),
        "4 chain-invalid": chained(WRONG_USAGE()),
        "4 root-untrusted": chained(OTHER_ROOT()),
        "5 chain-invalid": chained(WRONG_HSK()),
        "6 chain-invalid": lambda: verify_csv(
            SITE.csv_evidence(report, pek=chip(SITE.pek, SITE.cek, usage=HSK))
        ),
        "7 binding-mismatch": lambda: verify_csv(plain, Binding(b"other")),
        "8 malformed-evidence": lambda: verify_csv(with_log(b"\0")),
        "8 event-log-mismatch": lambda: verify_csv(with_log(sm3_log())),
    }


def sm3_log() -> bytes:
    """One event of register 1, by SM3."""
    log = bytearray(event_log([(1, 5, b"one")]))
    head = 32 + int.from_bytes(log[28:32], "little")
    spec = bytes(log[:head]).replace(b"\x0c\0\x30\0", b"\x12\0\x20\0")
    event = bytes(log[head : head + 12]) + b"\x12\0" + bytes(32)
    return spec + event + (3).to_bytes(4, "little") + b"one" + b"\xff" * 8


def dcu_rows() -> Rows:
    """All of ``hygondcu``."""
    report = dcu_report(SITE.cek, b"bound")

    def served(pair: Callable[[], bytes]) -> Attempt:
        return lambda: verify_dcu([report], source=MemoryCollateral({NAME: pair()}))

    return {
        "1 malformed-evidence": lambda: verify_dcu([]),
        "2 binding-mismatch": lambda: verify_dcu([report], Binding(b"other")),
        "3 collateral-unavailable": lambda: verify_dcu([report], source=MemoryCollateral({})),
        "3 platform-unknown": lambda: verify_dcu([report], source=VendorCollateral({})),
        "4 chain-invalid": served(WRONG_USAGE),
        "4 root-untrusted": served(OTHER_ROOT),
        "5 chain-invalid": served(WRONG_HSK),
        "6 signature-invalid": lambda: verify_dcu([dcu_report(STRANGER, b"bound")]),
    }


def accepted() -> Iterator[tuple[str, Attempt]]:
    """What all of this starts from."""
    yield "csv", lambda: verify_csv(SITE.csv_evidence(v1_report(SITE.pek)))
    yield "hygondcu", lambda: verify_dcu([dcu_report(SITE.cek, b"bound")])


ROWS = {"csv": csv_rows, "hygondcu": dcu_rows}
