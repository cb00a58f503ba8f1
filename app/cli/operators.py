"""Accounts of the console, from the terminal."""

from __future__ import annotations

from pathlib import Path

import click

from app.cli.opening import CONFIG, actor, opened
from app.console.permissions import Role


@click.group()
def operators() -> None:
    """Accounts of the console."""


@operators.command("create")
@click.argument("name")
@click.option("--role", type=click.Choice([role.value for role in Role]), required=True)
@CONFIG
def create_operator(name: str, role: str, config_path: Path | None) -> None:
    """Create an account and print its one-time password."""
    with opened(config_path) as services:
        click.echo(services.operators.create(name, Role(role), actor()))


@operators.command("reset")
@click.argument("name")
@CONFIG
def reset_operator(name: str, config_path: Path | None) -> None:
    """Give an account a new one-time password, print it, and end the account's sessions."""
    with opened(config_path) as services:
        click.echo(services.operators.reset(name, actor()))


@operators.command("list")
@CONFIG
def list_operators(config_path: Path | None) -> None:
    """List the accounts."""
    with opened(config_path) as services:
        for operator in services.operators.operators.all():
            click.echo(f"{operator.name}\t{operator.role}")
