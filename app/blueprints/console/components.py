"""The page of components: each of them in each of its states, for whoever changes the console."""

from __future__ import annotations

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue

from app.blueprints.console.forms import OperatorForm
from app.blueprints.deps import services
from app.blueprints.gate import access
from app.console.permissions import Permission
from app.console.policy_texts import SourceLine, compare
from app.trust.decisions import DecisionQuery

_OUTCOMES = (
    *("allowed", "affirming", "active", "current", "next", "none", "replaced", "met", "read"),
    *("warning", "retired", "differs", "denied", "contraindicated", "expired", "missing"),
)
_LINES = (
    SourceLine(1, "package policy"),
    SourceLine(2, "default allow := false", "reached", "✓"),
    SourceLine(3, "allow if input.ok", "unreached", "✗"),
    SourceLine(4, "allow := }", "fault", "▸"),
)


def add_to(bp: Blueprint) -> None:
    """Add the route."""

    @bp.get("/components")
    @access(Permission.COMPONENT_READ)
    def components() -> ResponseReturnValue:
        faulty = OperatorForm(prefix="faulty")
        faulty.name.errors = ["An operator has a name."]
        return render_template(
            "console/components.html",
            outcomes=_OUTCOMES,
            lines=_LINES,
            rows=compare("allow := false\nsame", "allow := true\nsame\nmore"),
            form=OperatorForm(prefix="plain"),
            faulty=faulty,
            now=services().clock.now(),
            decisions=services().decisions.page(DecisionQuery(limit=1)),
        )
