"""Console sessions, from the terminal."""

from __future__ import annotations

from pathlib import Path

import click

from app.cli.opening import CONFIG, actor, opened

_PAGE = 500


@click.group()
def sessions() -> None:
    """Browsers that are signed in to the console."""


@sessions.command("list")
@click.option("--operator", help="Only those of this account.")
@CONFIG
def list_sessions(operator: str | None, config_path: Path | None) -> None:
    """List console sessions: name, operator, since, last used, from where."""
    with opened(config_path) as services:
        after = None
        while page := services.console_sessions.page(operator=operator, after=after, limit=_PAGE):
            for each in page:
                times = f"{each.begun_at.isoformat()}\t{each.used_at.isoformat()}"
                click.echo(f"{each.handle}\t{each.operator}\t{times}\t{each.browser.source}")
            after = page[-1].handle


@sessions.command("revoke")
@click.argument("session")
@CONFIG
def revoke_session(session: str, config_path: Path | None) -> None:
    """End a console session by the name that the list gives it."""
    with opened(config_path) as services:
        services.console_sessions.revoke(session, actor())
        click.echo("ended")


@sessions.command("revoke-all")
@click.argument("operator")
@CONFIG
def revoke_sessions(operator: str, config_path: Path | None) -> None:
    """End every console session of an account."""
    with opened(config_path) as services:
        click.echo(f"{services.console_sessions.revoke_all(operator, actor())} ended")
