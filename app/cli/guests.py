"""Files for guests, from the terminal."""

from __future__ import annotations

from pathlib import Path

import click

from app.cli.opening import CONFIG, opened

_FILES = {
    "aa.toml": "aa",
    "cdh.toml": "cdh",
    "init-data.toml": "init_data",
    "authority.pem": "authority",
}


@click.command("guest-file")
@click.argument("name", type=click.Choice(list(_FILES)))
@CONFIG
def guest_file(name: str, config_path: Path | None) -> None:
    """Print a file with which a guest finds this server."""
    with opened(config_path) as services:
        click.echo(getattr(services.guest_files, _FILES[name]), nl=False)
