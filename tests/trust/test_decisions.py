"""Decision records hold no nonce, and their ids sort by time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from app.trust.decisions import new_decision_id, redact

AT = datetime(2026, 11, 24, tzinfo=UTC)


def test_nonces_are_replaced_wherever_they_stand() -> None:
    """Neither the token's nonce nor the one in the runtime data is recorded."""
    claims = {
        "eat_nonce": "canary-1",
        "submods": {"cpu0": {"x": [{"runtime_data_claims": {"nonce": "canary-2"}}]}},
        "kept": 1,
    }
    recorded = redact(claims)
    assert "canary" not in str(recorded)
    assert recorded["eat_nonce"].startswith("sha256:")
    assert recorded["kept"] == 1


def test_a_list_of_nonces_is_walked() -> None:
    """EAT allows several nonces in one claim."""
    assert "canary" not in str(redact({"eat_nonce": ["canary-1", "canary-2"]}))


def test_ids_sort_by_time_and_differ() -> None:
    """A later decision has a greater id; two of one moment have two."""
    early, same, late = (new_decision_id(AT + timedelta(seconds=s)) for s in (0, 0, 1))
    assert early < late
    assert same < late
    assert early != same
    assert len(early) == 32
