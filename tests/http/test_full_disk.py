"""A disk that is full: told, nothing half written, and cured by itself."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from raw_guest import PATH, SECRET, RawGuest
from servers import AdminKey, make_settings
from sqlalchemy import text

from app.blueprints.deps import EXTENSION
from app.factory import build
from app.store.database import db

URL = f"/kbs/v0/resource/{PATH}"


@pytest.fixture
def app(tmp_path: Path, prepared: tuple[Path, AdminKey]) -> Iterator[Flask]:
    """An application with one connection, because SQLite counts pages for each."""
    shutil.copytree(prepared[0], tmp_path, dirs_exist_ok=True)
    app = build(make_settings(tmp_path, database={"pool_size": 1}))
    yield app
    app.extensions[EXTENSION].close()


def refused_for_now(response: Any) -> None:
    """503, with the reason and when to try again."""
    assert response.status_code == 503, response.data
    assert int(response.headers["Retry-After"]) > 0
    assert response.headers["Vouchgate-Reason"] == "store-unavailable"


def set_pages(app: Flask, more: int) -> None:
    """Let the file grow by so many pages."""
    with app.app_context(), db.engine.connect() as connection:
        pages = connection.execute(text("PRAGMA page_count")).scalar_one()
        connection.execute(text(f"PRAGMA max_page_count = {pages + more}"))


def fill(client: FlaskClient, owner: dict[str, str]) -> tuple[list[str], Any]:
    """Write secrets until there is no room; those that were acknowledged, and the refusal."""
    acknowledged: list[str] = []
    for number in range(200):
        path = f"a/b/c{number}"
        response = client.post(f"/kbs/v0/resource/{path}", data=bytes(20_000), headers=owner)
        if response.status_code != 200:
            return acknowledged, response
        acknowledged.append(path)
    pytest.fail("the disk is not full")


def test_a_full_disk_is_told_and_recovers(
    app: Flask, owner: dict[str, str], row_counts: Callable[[], dict[str, int]]
) -> None:
    """What was acknowledged is there, what was refused left nothing, freed space is used."""
    client = app.test_client()
    set_pages(app, 40)
    acknowledged, refusal = fill(client, owner)
    refused_for_now(refusal)
    rows = row_counts()
    refused_for_now(client.post(URL, data=bytes(20_000), headers=owner))
    assert row_counts() == rows
    listed = client.get("/api/v1/secrets?limit=500", headers=owner).get_json()
    assert sorted(each["resource_id"] for each in listed) == sorted(acknowledged)
    set_pages(app, 1000)
    assert client.post(URL, data=bytes(20_000), headers=owner).status_code == 200
    assert client.get(f"/api/v1/secrets/{PATH}", headers=owner).get_json()[0]["version"] == 1


def test_nothing_is_released_that_cannot_be_written_down(affirming: None, app: Flask) -> None:
    """A release without its record does not happen, and its refusal is not a denial."""
    guest = RawGuest(app.test_client())
    token = guest.attest().json["token"]
    set_pages(app, 0)
    answers = [guest.resource(token=token) for _ in range(60)]
    refused_for_now(answers[-1])
    assert {answer.status_code for answer in answers} <= {200, 503}
    assert b"ciphertext" not in answers[-1].data
    set_pages(app, 1000)
    assert guest.open(guest.resource(token=token).json) == SECRET
