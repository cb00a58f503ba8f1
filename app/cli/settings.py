"""The settings as they count, from the terminal."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click

from app.cli.opening import CONFIG, QUIET
from app.config import load_settings
from app.logs import configure as configure_logs


@click.command("settings")
@CONFIG
@click.option("--written", is_flag=True, help="Leave out what nobody wrote down.")
@click.option("--json", "as_json", is_flag=True, help="As the REST interface gives it.")
def settings(config_path: Path | None, *, written: bool, as_json: bool) -> None:
    """Show every setting as it counts, and where it was written."""
    from app.wiring.console import effective_settings

    read = load_settings(config_path)
    configure_logs(QUIET)
    effective = effective_settings(read)
    lines = [each for each in effective.lines if each.is_written or not written]
    if as_json:
        found = {"settings": [asdict(each) for each in lines], "faults": effective.faults}
        click.echo(json.dumps(found, ensure_ascii=False, indent=2))
        return
    for each in lines:
        mark = "\tINSECURE" if each.weakens else ""
        click.echo(f"{each.name}\t{each.value}\t{each.origin}{mark}")
    for fault in effective.faults:
        click.echo(f"settings: {fault}", err=True)
