"""What every command begins with: the settings, the services on their database, who asks."""

from __future__ import annotations

import getpass
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import click

from app.blueprints.services import Services
from app.config import CONFIG_VARIABLE, load_settings
from app.console.permissions import Role
from app.settings import LogSettings
from app.trust.audit import Actor, LocalActor

CONFIG = click.option(
    "--config",
    "config_path",
    type=click.Path(path_type=Path, dir_okay=False),
    envvar=CONFIG_VARIABLE,
    help=f"The TOML file with the settings; {CONFIG_VARIABLE} names it otherwise.",
)
# What a command prints is its answer; what a server would log at its start is not.
QUIET = LogSettings(level="error", format="text")


@contextmanager
def opened(config_path: Path | None) -> Iterator[Services]:
    """The services on the database that the settings name."""
    # Here, because it is most of the house, and `--help` needs none of it.
    from app.wiring.opening import services_on

    with services_on(replace(load_settings(config_path), log=QUIET)) as services:
        yield services


def actor() -> Actor:
    """Whoever sits at the terminal: the owner, by name of the account of the machine."""
    return LocalActor(f"cli:{getpass.getuser()}", Role.OWNER)
