"""Accounts of the console, from the terminal."""

from __future__ import annotations

from pathlib import Path

import click

from app.cli.opening import CONFIG, actor, opened
from app.config import load_settings
from app.console.operators import Operator
from app.console.permissions import PERMISSIONS, Role

_PAGE = 500


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


@operators.command("role")
@click.argument("name")
@click.argument("role", type=click.Choice([role.value for role in Role]))
@CONFIG
def change_role(name: str, role: str, config_path: Path | None) -> None:
    """Give an account another role, and end the account's sessions."""
    with opened(config_path) as services:
        services.operators.change_role(name, Role(role), actor())
        click.echo(f"{name} is {role}")


@operators.command("disable")
@click.argument("name")
@CONFIG
def disable_operator(name: str, config_path: Path | None) -> None:
    """Let nobody sign in to an account, and end its sessions."""
    with opened(config_path) as services:
        services.operators.disable(name, actor())
        click.echo(f"{name} is disabled")


@operators.command("enable")
@click.argument("name")
@CONFIG
def enable_operator(name: str, config_path: Path | None) -> None:
    """Let an account be used again."""
    with opened(config_path) as services:
        services.operators.enable(name, actor())
        click.echo(f"{name} is enabled")


@operators.command("remove-second-factor")
@click.argument("name")
@CONFIG
def remove_second_factor(name: str, config_path: Path | None) -> None:
    """Take the second factor of an account away, for when phone and recovery codes are lost."""
    with opened(config_path) as services:
        services.sign_ins.second_factors.remove(name, actor())
        click.echo(f"{name} signs in with the password alone")


@operators.command("list")
@CONFIG
def list_operators(config_path: Path | None) -> None:
    """List the accounts: name, role, state, last sign-in, second factor."""
    with opened(config_path) as services:
        after = None
        while page := services.operators.page(after=after, limit=_PAGE):
            with_factor = services.sign_ins.second_factors.among([each.name for each in page])
            for operator in page:
                click.echo(_line(operator, has_factor=operator.name in with_factor))
            after = page[-1].name


@operators.command("setup-link")
@CONFIG
def setup_link(config_path: Path | None) -> None:
    """Print a link that makes its holder the owner, once, while there is no owner."""
    console_url = load_settings(config_path).console_url
    with opened(config_path) as services:
        # After the #, which browsers do not send: no proxy and no log sees the code.
        click.echo(f"{console_url}/console/setup#{services.first_run.issue(actor())}")


@operators.command("roles")
def list_roles() -> None:
    """List what each role may."""
    for role, permissions in PERMISSIONS.items():
        for permission in sorted(permissions):
            click.echo(f"{role}\t{permission}")


def _line(operator: Operator, *, has_factor: bool) -> str:
    state = "disabled" if operator.disabled_at else "enabled"
    last = operator.last_sign_in_at.isoformat() if operator.last_sign_in_at else "never"
    factor = "second factor" if has_factor else "password only"
    return f"{operator.name}\t{operator.role}\t{state}\t{last}\t{factor}"
