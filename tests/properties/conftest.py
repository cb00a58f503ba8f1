"""The published interface of a running application, as two callers see it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import schemathesis
from applications import prepared
from collateral_site import keep, settings_of
from flask import Flask
from interface import Caller
from raw_guest import PATH, SECRET
from schemathesis.config import SchemathesisConfig
from servers import SAMPLE_VALUES, AdminKey, make_settings

from app.blueprints.deps import EXTENSION
from app.blueprints.services import Services
from app.broker.secrets import ResourceID
from app.console.api_tokens import Maker, TokenDraft
from app.console.permissions import Role, permissions_of
from app.console.sessions import Browser, Proof
from app.factory import build
from app.trust.audit import Actor
from guest.wire.encoding import b64_encode

__all__ = ["prepared"]


@pytest.fixture(scope="session")
def served(
    prepared: tuple[Path, AdminKey], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Flask]:
    """One application for all properties: what a request leaves behind is part of the next one."""
    folder = tmp_path_factory.mktemp("served")
    shutil.copytree(prepared[0], folder, dirs_exist_ok=True)
    parts = settings_of(folder, folder / "offline")
    app = build(make_settings(folder, log={"level": "error"}, **parts))
    services = app.extensions[EXTENSION]
    actor = Actor("tests", "owner")
    message = {
        "version": "0.1.0",
        "type": "sample",
        "payload": b64_encode(json.dumps(SAMPLE_VALUES).encode()),
    }
    with app.app_context():
        services.reference_values.register(message, actor)
        services.custody.write(ResourceID.of(PATH.split("/")), SECRET, actor)
    keep(app)
    yield app
    services.close()


@pytest.fixture(scope="session")
def callers(served: Flask, prepared: tuple[Path, AdminKey]) -> dict[str, Caller]:
    """Who calls, with the interface that the application publishes."""
    return {
        name: Caller(
            schemathesis.openapi.from_wsgi(
                "/openapi.yaml", served, config=SchemathesisConfig.from_dict({"headers": headers})
            ),
            headers,
        )
        for name, headers in (("a stranger", {}), ("an owner", prepared[1].headers()))
    }


@pytest.fixture
def own_token(served: Flask) -> str:
    """An API token of an account that is signed in with a browser."""
    services: Services = served.extensions[EXTENSION]
    owner = Actor("mira", Role.OWNER)
    with served.app_context():
        services.operators.create("mira", Role.OWNER, owner)
        operator = services.operators.find("mira")
        assert operator is not None
        services.console_sessions.begin(operator, Proof.PASSWORD, Browser("127.0.0.1", "a browser"))
        draft = TokenDraft("a script", Role.VIEWER, None, days=1)
        _, text = services.api_tokens.make(draft, Maker(owner, permissions_of("owner"), "mira"))
    return text
