"""Azure's virtual machines: what their TPM's quote and its binding to the hardware are refused for.

The same for SNP and TDX; what stands below is in ``amd.py`` and ``intel.py``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

from app.attestation.evidence import Binding
from app.lab.vtpm import QuotePlan, ak, quote_member, registers, variable_data

REPORT_DATA = hashlib.sha384(b"simulated").digest()
INIT_DATA = hashlib.sha256(b"init data").digest()
PLAN = QuotePlan(REPORT_DATA, registers(INIT_DATA))

Make = Callable[..., dict[str, Any]]
Verify = Callable[[Any, Binding], object]


def machine_rows(
    evidence: Make, unbound: Callable[[], Any], verify: Verify
) -> dict[str, Callable[[], object]]:
    """Checks 1 to 8.

    Args:
        evidence: of the machine, for a plan of its quote and other variable data.
        unbound: evidence whose variable data the hardware's report was not made for.
        verify: takes evidence and what it is to be bound to.
    """
    bound = Binding(REPORT_DATA, INIT_DATA)

    def attempt(made: Callable[[], Any], binding: Binding = bound) -> Callable[[], object]:
        return lambda: verify(made(), binding)

    def planned(**changes: Any) -> Callable[[], object]:
        plan = {"extra_data": REPORT_DATA, "quoted": PLAN.quoted} | changes
        return attempt(lambda: evidence(QuotePlan(**plan)))

    def varied(variable: bytes) -> Callable[[], object]:
        return attempt(lambda: evidence(PLAN, variable))

    return {
        "1 malformed-evidence": planned(magic=b"\xffTCH"),
        "2 attestation-key-untrusted": attempt(unbound),
        "3 malformed-evidence": varied(variable_data(REPORT_DATA, kid="Another")),
        "4 signature-invalid": varied(variable_data(REPORT_DATA, ak(1))),
        "5 binding-mismatch": planned(extra_data=REPORT_DATA + b"\0"),
        "6 register-mismatch": attempt(
            lambda: (
                evidence(PLAN) | {"tpm_quote": quote_member(PLAN, 2, [bytes(32), *PLAN.quoted[1:]])}
            )
        ),
        "7 malformed-evidence": varied(variable_data(None)),
        "7 binding-mismatch": varied(variable_data(bytes(64))),
        "8 init-data-mismatch": attempt(lambda: evidence(PLAN), Binding(REPORT_DATA, bytes(32))),
    }
