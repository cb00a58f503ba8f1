"""Services for programs that answer nobody: commands, the demo's first steps, the lab's bench."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager

from flask import Flask

from app.blueprints.services import Services
from app.logs import configure
from app.settings import Settings
from app.wiring import wire


@contextmanager
def services_on(settings: Settings) -> Iterator[Services]:
    """The services on the database that settings name and ``prepare`` has seen; closed afterwards.

    The application that they hang on has no routes: making them takes longer than most commands.

    Raises:
        ConfigError: listing every fault of the settings that only shows here.
        StoreUnavailableError: the database does not answer.
    """
    configure(settings.log)
    app = Flask("vouchgate")
    with app.app_context(), closing(wire(app, settings).services) as services:
        yield services
