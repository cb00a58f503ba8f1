"""What every test here starts from, and applications whose settings a test decides on."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from applications import (
    admin,
    affirming,
    app,
    client,
    guest,
    owner,
    prepared,
    row_counts,
    services,
)
from flask import Flask
from servers import AdminKey, make_settings

from app.blueprints.deps import EXTENSION
from app.factory import build

__all__ = [
    "admin",
    "affirming",
    "app",
    "client",
    "guest",
    "owner",
    "prepared",
    "row_counts",
    "services",
]

AppWith = Callable[..., Flask]


@pytest.fixture
def app_with(tmp_path: Path, prepared: tuple[Path, AdminKey]) -> Iterator[AppWith]:
    """Builds applications on one database, with some parts of the settings replaced."""
    folder = tmp_path / "other"
    shutil.copytree(prepared[0], folder)
    built: list[Flask] = []

    def build_with(**parts: Any) -> Flask:
        built.append(build(make_settings(folder, **parts)))
        return built[-1]

    yield build_with
    for each in built:
        each.extensions[EXTENSION].close()
