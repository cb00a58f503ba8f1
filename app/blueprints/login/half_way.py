"""Operators who have shown their password and not yet their code."""

from __future__ import annotations

from flask import session

from app.blueprints.deps import services
from app.console.operators import Operator

_KEY = "half-way-in"
_SECONDS = 300


def note_half_way_in(operator: Operator) -> None:
    """Keep for some minutes, in the browser's signed cookie, whose password was right."""
    session.clear()
    until = int(services().clock.now().timestamp()) + _SECONDS
    session[_KEY] = {"name": operator.name, "epoch": operator.epoch, "until": until}


def half_way_in() -> Operator | None:
    """Whose password was right; ``None`` when that is over, or the password has changed since."""
    noted = session.get(_KEY)
    if noted is None or services().clock.now().timestamp() >= noted["until"]:
        return None
    operator = services().operators.find(noted["name"])
    if operator is None or operator.epoch != noted["epoch"] or operator.disabled_at is not None:
        return None
    return operator
