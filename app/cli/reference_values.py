"""Reference values, from the terminal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from app.cli.opening import CONFIG, actor, opened
from app.trust.errors import MalformedReferenceValueError
from guest.wire.errors import WireError
from guest.wire.strict_json import parse_json_object


@click.group("reference-values")
def reference_values() -> None:
    """What claims are compared with."""


@reference_values.command("register")
@click.argument("file", type=click.File("rb"))
@CONFIG
def register_values(file: Any, config_path: Path | None) -> None:  # noqa: ANN401
    """Register the RVPS message in FILE."""
    try:
        message = parse_json_object(file.read())
    except WireError as error:
        raise MalformedReferenceValueError(f"{file.name}: {error}") from error
    with opened(config_path) as services:
        services.reference_values.register(message, actor())


@reference_values.command("list")
@CONFIG
def list_values(config_path: Path | None) -> None:
    """List the reference values and when each expires."""
    with opened(config_path) as services:
        after = None
        while page := services.reference_values.page(after=after, limit=500):
            for value in page:
                text = json.dumps(value.value)
                click.echo(f"{value.name}\t{value.expires_at.isoformat()}\t{text}")
            after = page[-1].name
