"""Keys that sign tokens, from the terminal."""

from __future__ import annotations

from pathlib import Path

import click

from app.cli.opening import CONFIG, actor, opened


@click.group()
def keys() -> None:
    """Keys that sign tokens."""


@keys.command("list")
@CONFIG
def list_keys(config_path: Path | None) -> None:
    """List the signing keys and where each is in its life."""
    with opened(config_path) as services:
        for key in services.token_keys.list():
            until = f"\tuntil {key.retires_at.isoformat()}" if key.retires_at else ""
            click.echo(f"{key.key_id}\t{key.state}{until}")


@keys.command("rotate")
@CONFIG
def rotate_keys(config_path: Path | None) -> None:
    """Let the next key sign; tokens of the retired one verify until they expire."""
    with opened(config_path) as services:
        services.token_keys.rotate(actor())
        click.echo("rotated; servers notice at their next request")


@keys.command("rotate-tickets")
@CONFIG
def rotate_tickets(config_path: Path | None) -> None:
    """Give nonces and session cookies new keys; the old ones open what they issued."""
    with opened(config_path) as services:
        services.rotate_tickets(actor())
        click.echo("rotated; servers issue with the new keys within a minute")
