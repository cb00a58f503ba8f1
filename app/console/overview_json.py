"""The overview as JSON, for programs and the terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime

from app.console.charts import Chart
from app.console.expiries import Expiry
from app.console.health import Health
from app.console.overview import Overview
from app.trust.json_types import JSONObject


def overview_as_json(
    figures: Overview, expiries: Iterable[Expiry], health: Health, now: datetime
) -> JSONObject:
    """What the first page shows, without the spans of its bars; times in ISO 8601."""
    return {
        "since": figures.since.isoformat(),
        "attestations": _counts(figures.attestations),
        "releases": _counts(figures.releases),
        "tees": [asdict(each) for each in figures.tees],
        "denials": {each.name: each.count for each in figures.denials},
        "expiries": [
            {
                "kind": each.kind.value,
                "name": each.name,
                "at": each.at.isoformat(),
                "state": each.state(now),
            }
            for each in expiries
        ],
        "health": {
            "database": health.engine,
            "database_ms": round(health.database_ms, 3),
            "attestation": health.attestation,
            "broker": health.broker,
            "signing_key": health.signing_key,
            "tees": list(health.tees),
            "issuers": list(health.issuers),
            "has_policy": health.has_policy,
            "collateral_documents": health.collateral_documents,
        },
    }


def _counts(chart: Chart) -> dict[str, int]:
    """How many there were of each name, over all bars."""
    counts: Counter[str] = Counter()
    for bar in chart.bars:
        for part in bar.parts:
            counts[part.name] += part.count
    return dict(counts)
