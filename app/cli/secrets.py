"""Secrets, from the terminal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from app.broker.secrets import ResourceID
from app.cli.opening import CONFIG, actor, opened


@click.group()
def secrets() -> None:
    """Secrets that guests can get."""


@secrets.command("set")
@click.argument("path")
@click.argument("file", type=click.File("rb"))
@CONFIG
def set_secret(path: str, file: Any, config_path: Path | None) -> None:  # noqa: ANN401
    """Store FILE ("-" is standard input) as a new version of repository/type/tag."""
    with opened(config_path) as services:
        version = services.custody.write(ResourceID.of(path.split("/")), file.read(), actor())
        click.echo(f"{path} version {version.version}")


@secrets.command("list")
@CONFIG
def list_secrets(config_path: Path | None) -> None:
    """List the secrets with their active version; values never show."""
    with opened(config_path) as services:
        after = None
        while page := services.custody.page(after=after, limit=500):
            for each in page:
                click.echo(f"{each.resource_id}\tversion {each.version}\t{each.size_bytes} bytes")
            after = page[-1].resource_id


@secrets.command("delete")
@click.argument("path")
@CONFIG
def delete_secret(path: str, config_path: Path | None) -> None:
    """Take a secret away from guests; its versions stay sealed in the database."""
    with opened(config_path) as services:
        services.custody.delete(ResourceID.of(path.split("/")), actor())


@secrets.command("rewrap")
@CONFIG
def rewrap(config_path: Path | None) -> None:
    """Wrap every data key under the first key of sealing.keys; then older keys can go."""
    with opened(config_path) as services:
        count = services.rewrap(actor())
        click.echo(f"{count} sealed values rewrapped")
