"""The overview, from the terminal."""

from __future__ import annotations

import json
from pathlib import Path

import click

from app.cli.opening import CONFIG, opened
from app.console.overview import Window
from app.console.overview import overview as count_decisions
from app.console.overview_json import overview_as_json
from app.trust.json_types import JSONObject

_EXPIRIES = 10


@click.command("overview")
@click.option("--window", type=click.Choice([each.name.lower() for each in Window]), default="day")
@click.option("--tee", help="Only guests of this kind, by its wire name.")
@click.option("--json", "as_json", is_flag=True, help="As the REST interface gives it.")
@CONFIG
def overview(window: str, tee: str | None, config_path: Path | None, *, as_json: bool) -> None:
    """Count what was decided lately, and tell what expires next and how the server is."""
    with opened(config_path) as services:
        now, wanted = services.clock.now(), Window.of(window)
        counts = services.decision_hours.count(wanted.begins_at(now), wanted.span)
        figures = count_decisions(counts, now, wanted, tee)
        found = overview_as_json(figures, services.expiries(_EXPIRIES), services.health(), now)
    if as_json:
        click.echo(json.dumps(found, ensure_ascii=False, indent=2))
    else:
        _print(found)


def _print(found: JSONObject) -> None:
    for name in ("attestations", "releases", "denials"):
        for outcome, count in found[name].items():
            click.echo(f"{name}\t{outcome}\t{count}")
    for each in found["expiries"]:
        click.echo(f"expires\t{each['state']}\t{each['at']}\t{each['kind']}\t{each['name']}")
    for name in ("database", "attestation", "broker"):
        click.echo(f"server\t{name}\t{found['health'][name]}")
