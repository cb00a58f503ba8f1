"""What can be wrong with evidence, with a vendor, or with how evidence is used."""

from __future__ import annotations

from enum import StrEnum


class Fault(StrEnum):
    """One thing that is wrong; the value is its name on the command line."""

    NONE = "none"
    # With the evidence.
    DEBUG = "debug"
    OLD_TCB = "old-tcb"
    WRONG_MEASUREMENT = "wrong-measurement"
    FORGED = "forged"
    FOREIGN_ROOT = "foreign-root"
    LESS_PRIVILEGED = "less-privileged"
    CLOCK_SKEW = "clock-skew"
    # With the vendor.
    REVOKED = "revoked"
    EXPIRED_COLLATERAL = "expired-collateral"
    THROTTLED = "throttled"
    # With how it is used.
    REPLAY = "replay"
    OTHER_KEY = "other-key"


MEANINGS = {
    Fault.NONE: "nothing is wrong",
    Fault.DEBUG: "the host may read the guest's memory",
    Fault.OLD_TCB: "firmware that the vendor has replaced",
    Fault.WRONG_MEASUREMENT: "other software than was registered",
    Fault.FORGED: "one bit of what the hardware signed is another",
    Fault.FOREIGN_ROOT: "signed under another lab's root",
    Fault.LESS_PRIVILEGED: "asked for below the guest's operating system",
    Fault.CLOCK_SKEW: "certificates or documents begin tomorrow",
    Fault.REVOKED: "the vendor has revoked the chip or its authority",
    Fault.EXPIRED_COLLATERAL: "the vendor's documents are over",
    Fault.THROTTLED: "the vendor answers 429 to everything",
    Fault.REPLAY: "the same evidence a second time",
    Fault.OTHER_KEY: "evidence that is bound to somebody else's key",
}
