"""How a view reaches the use cases: the one place that asks Flask for its services."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from flask import current_app

if TYPE_CHECKING:
    from app.blueprints.services import Services

EXTENSION = "vouchgate"


def services() -> Services:
    """The use cases of the application that serves this request."""
    return cast("Services", current_app.extensions[EXTENSION])
