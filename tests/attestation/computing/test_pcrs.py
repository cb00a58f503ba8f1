"""PCRs from the event log of a boot, beside the arithmetic by hand."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from simulated.boot_log import IPL, NO_ACTION, SEPARATOR, log

from app.attestation.computing.pcrs import compute_pcrs
from app.trust.errors import DomainError, MalformedEvidenceError, MalformedRequestError

LOCALITY = b"StartupLocality\0"
A, B, C = (hashlib.sha256(name).digest() for name in (b"a", b"b", b"c"))


def extended(begin: bytes, *digests: bytes) -> list[str]:
    """A register after these digests."""
    value = begin
    for digest in digests:
        value = hashlib.sha256(value + digest).digest()
    return [value.hex()]


BOOT = log([(4, SEPARATOR, A, b""), (11, IPL, B, b"x"), (4, IPL, C, b""), (17, IPL, A, b"")])


def test_each_register_that_the_log_extends() -> None:
    """In the order of the log, named for the policy of the TEE; SHA-1 beside it does not count."""
    expected = {"tpm_pcr04": extended(bytes(32), A, C), "tpm_pcr11": extended(bytes(32), B)}
    assert compute_pcrs(BOOT, "tpm").values == expected
    assert compute_pcrs(BOOT, "az-tdx-vtpm", [11]).values == {"tdx_pcr11": expected["tpm_pcr11"]}
    assert compute_pcrs(BOOT, "az-snp-vtpm", [11]).values == {"snp_pcr11": expected["tpm_pcr11"]}


def test_the_first_register_begins_with_the_locality() -> None:
    """And what only informs extends nothing."""
    events = [(0, NO_ACTION, bytes(32), LOCALITY + b"\x03"), (0, SEPARATOR, A, b"")]
    begin = bytes(31) + b"\x03"
    assert compute_pcrs(log(events), "tpm").values == {"tpm_pcr00": extended(begin, A)}
    assert compute_pcrs(log(events[1:]), "tpm").values == {"tpm_pcr00": extended(bytes(32), A)}


@pytest.mark.parametrize(
    ("data", "more", "refusal"),
    [
        (b"", {}, MalformedEvidenceError),
        (BOOT[:-1], {}, MalformedEvidenceError),
        (log([]), {}, MalformedEvidenceError),
        (log([(17, IPL, A, b"")]), {}, MalformedEvidenceError),
        (log([(4, NO_ACTION, A, b"")]), {}, MalformedEvidenceError),
        (log([(4, IPL, A, b"")], banks="1"), {}, MalformedEvidenceError),
        (log([(4, IPL, A, b"")], banks="bb"), {}, MalformedEvidenceError),
        (log([(0, NO_ACTION, A, LOCALITY), (0, IPL, A, b"")]), {}, MalformedEvidenceError),
        (
            log([(0, NO_ACTION, A, LOCALITY + b"\3")] * 2 + [(0, IPL, A, b"")]),
            {},
            MalformedEvidenceError,
        ),
        (BOOT, {"wanted": [5]}, MalformedEvidenceError),
        (BOOT, {"wanted": [17]}, MalformedRequestError),
        (BOOT, {"wanted": [-1]}, MalformedRequestError),
        (BOOT, {"tee": "snp"}, MalformedRequestError),
    ],
)
def test_refuses_what_tells_nothing(
    data: bytes, more: dict[str, Any], refusal: type[DomainError]
) -> None:
    """Cut off, without events or digests, of another register; nothing is guessed."""
    with pytest.raises(refusal):
        compute_pcrs(data, **({"tee": "tpm"} | more))
