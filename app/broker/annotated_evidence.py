"""What a token says about the guest itself: its TEE and what it was started from."""

from __future__ import annotations

from app.broker.json_pointers import resolve
from app.trust.json_types import JSONObject
from app.trust.measurements import launch_measurement
from guest.wire.tees import TEES

# Where an EAR has the claims of its primary evidence (wire.md 9.4).
_ANNOTATED_EVIDENCE = "/submods/cpu0/ear.veraison.annotated-evidence"


def tee_of(claims: JSONObject) -> str | None:
    """The wire name of the primary TEE: a member of the annotated evidence, or of the claims."""
    for members in (resolve(claims, _ANNOTATED_EVIDENCE), claims):
        if isinstance(members, dict):
            named = sorted(TEES & members.keys())
            if named:
                return named[0]
    return None


def measurement_of(claims: JSONObject) -> str | None:
    """The launch measurement of the primary TEE, when the token repeats its evidence."""
    return launch_measurement(resolve(claims, _ANNOTATED_EVIDENCE))
