"""Fixtures: an application, its client, and a guest with the sample TEE that speaks raw HTTP.

A folder of tests that needs them names them in its ``conftest.py``.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from raw_guest import PATH, SECRET, RawGuest
from servers import SAMPLE_VALUES, AdminKey, make_settings
from sqlalchemy import func, select

from app.blueprints.deps import EXTENSION
from app.blueprints.services import Services
from app.broker.secrets import ResourceID
from app.factory import build
from app.store.database import db
from app.store.tables import metadata
from app.trust.audit import Actor
from app.wiring import prepare
from guest.wire.encoding import b64_encode


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, AdminKey]:
    """A folder with a prepared database, its key and the operators' key, to be copied."""
    folder = tmp_path_factory.mktemp("prepared")
    admin = AdminKey.make(folder)
    prepare(make_settings(folder))
    return folder, admin


@pytest.fixture
def admin(prepared: tuple[Path, AdminKey]) -> AdminKey:
    """The operators' identity provider."""
    return prepared[1]


@pytest.fixture
def app(tmp_path: Path, prepared: tuple[Path, AdminKey]) -> Iterator[Flask]:
    """All roles in one application."""
    shutil.copytree(prepared[0], tmp_path, dirs_exist_ok=True)
    app = build(make_settings(tmp_path))
    yield app
    app.extensions[EXTENSION].close()


@pytest.fixture
def strict(tmp_path: Path, prepared: tuple[Path, AdminKey]) -> Iterator[Flask]:
    """All roles, with the two-person rule."""
    folder = tmp_path / "strict"
    shutil.copytree(prepared[0], folder)
    access = [{"role": role, "methods": ["*"], "paths": ["/**"]} for role in ("owner", "operator")]
    rule = {"two_person_rule": True}
    app = build(make_settings(folder, console=rule, admin={"access": access}))
    yield app
    app.extensions[EXTENSION].close()


@pytest.fixture
def services(app: Flask) -> Services:
    """The use cases of the application."""
    found: Services = app.extensions[EXTENSION]
    return found


@pytest.fixture
def row_counts(app: Flask) -> Callable[[], dict[str, int]]:
    """Counts the rows of every table."""

    def count() -> dict[str, int]:
        with app.app_context(), db.engine.connect() as connection:
            return {
                table.name: connection.execute(select(func.count()).select_from(table)).scalar_one()
                for table in metadata.sorted_tables
            }

    return count


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """A client without cookies of its own making."""
    return app.test_client()


@pytest.fixture
def owner(admin: AdminKey) -> dict[str, str]:
    """Headers of an operator who may do everything."""
    return admin.headers()


@pytest.fixture
def affirming(app: Flask, services: Services) -> None:
    """Reference values under which the sample TEE is affirming, and a secret to get."""
    with app.app_context():
        actor = Actor("tests", "owner")
        payload = b64_encode(json.dumps(SAMPLE_VALUES).encode())
        services.reference_values.register(
            {"version": "0.1.0", "type": "sample", "payload": payload}, actor
        )
        services.custody.write(ResourceID.of(PATH.split("/")), SECRET, actor)


@pytest.fixture
def guest(client: FlaskClient) -> RawGuest:
    """A guest with the sample TEE."""
    return RawGuest(client)
