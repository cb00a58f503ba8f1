"""Collateral, from the terminal: how it stands, what expires when, and bundles of it."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import click

from app.attestation.collateral.library import Listed
from app.blueprints.console.api_collateral import bundle_text
from app.cli.opening import CONFIG, actor, opened

_PAGE = 500
_EXPIRE = click.option(
    "--expiring", is_flag=True, help="What vendors set a date to, soonest first."
)


@click.group()
def collateral() -> None:
    """What vendors publish about their hardware."""


@collateral.command("list")
@_EXPIRE
@CONFIG
def list_collateral(expiring: bool, config_path: Path | None) -> None:  # noqa: FBT001 - click's
    """List documents: state, when each is over, when it was fetched, name, where it came from."""
    with opened(config_path) as services:
        library = services.collateral
        if expiring:
            _print(library.expires_next(_PAGE))
            return
        shown = set()
        for each in library.needed():
            shown.add(each.name)
            _print([each])
        after = None
        while page := library.page(after=after, limit=_PAGE):
            _print([each for each in page if each.name not in shown])
            after = page[-1].name


@collateral.command("refresh")
@click.argument("names", nargs=-1)
@CONFIG
def refresh_collateral(names: tuple[str, ...], config_path: Path | None) -> None:
    """Ask vendors for NAMES now, or for everything that is due or missing."""
    with opened(config_path) as services:
        outcomes = services.collateral.refresh(names, actor())
    for each in outcomes:
        click.echo(f"{each.code}\t{each.name}\t{each.message}")
    if not all(each.succeeded for each in outcomes):
        raise SystemExit(1)


@collateral.command("test")
@click.argument("name")
@CONFIG
def test_collateral(name: str, config_path: Path | None) -> None:
    """Ask the vendor for NAME and tell how it went; nothing is kept."""
    with opened(config_path) as services:
        outcome = services.collateral.try_fetch(name)
    click.echo(f"{outcome.code}\t{outcome.name}\t{outcome.message}")
    if not outcome.succeeded:
        raise SystemExit(1)


@collateral.command("export")
@click.argument("file", type=click.File("w"))
@click.argument("names", nargs=-1)
@CONFIG
def export_collateral(file: Any, names: tuple[str, ...], config_path: Path | None) -> None:  # noqa: ANN401
    """Write NAMES, or everything that is kept, to FILE as a signed bundle; - is standard output."""
    with opened(config_path) as services:
        file.write(services.collateral.export(names) + "\n")


@collateral.command("import")
@click.argument("file", type=click.File("rb"))
@CONFIG
def import_collateral(file: Any, config_path: Path | None) -> None:  # noqa: ANN401
    """Keep the documents of the signed bundle in FILE that are newer than those that are kept."""
    with opened(config_path) as services:
        imported = services.collateral.import_bundle(bundle_text(file.read()), actor())
    made = imported.created_at.isoformat()
    click.echo(f"bundle of {imported.signer}, made {made}")
    click.echo(f"kept: {imported.kept}; not newer than what was here: {imported.older}")


def _print(listed: list[Listed]) -> None:
    for each in listed:
        summary = each.summary
        if summary is None:
            click.echo(f"{each.state.value}\t-\t-\t{each.name}\t-")
            continue
        dates = (_day(summary.expires_at), _day(summary.fetched_at))
        click.echo("\t".join((each.state.value, *dates, each.name, summary.source)))


def _day(moment: datetime | None) -> str:
    return "-" if moment is None else moment.strftime("%Y-%m-%dT%H:%MZ")
