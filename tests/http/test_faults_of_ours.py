"""What nobody foresaw: a page for browsers, problem details for machines, and no word of it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from console_client import Console
from flask import Flask
from flask.testing import FlaskClient

from app.blueprints.deps import EXTENSION
from app.blueprints.services import Services
from app.console.permissions import Role

INSIDE = "the connection string is postgresql://"


def fail() -> None:
    """Break in a way that no error of the domain describes."""
    raise RuntimeError(INSIDE)


@pytest.fixture
def broken(app: Flask, services: Services) -> Flask:
    """The application, with a fault that the overview meets."""
    app.extensions[EXTENSION] = replace(services, health=fail)
    return app


def test_a_browser_gets_a_page(broken: Flask, services: Services) -> None:
    """With what to do next, and the request's id, which the log has too."""
    console = Console.of(broken, services, Role.OWNER, first_page="/console/secrets")
    answer = console.client.get("/console/")
    assert (answer.status_code, answer.mimetype) == (500, "text/html")
    assert answer.headers["Vouchgate-Request"] in answer.text
    assert answer.headers["Vouchgate-Reason"] == "internal"
    assert INSIDE not in answer.text


def test_a_machine_gets_problem_details(
    broken: Flask, client: FlaskClient, owner: dict[str, str]
) -> None:
    """The same reason code, and nothing of the fault."""
    answer = client.get("/api/v1/overview", headers=owner)
    assert (answer.status_code, answer.mimetype) == (500, "application/problem+json")
    assert answer.json["code"] == "internal"
    assert INSIDE not in answer.text


def test_a_fault_that_pages_have_too_is_told_without_one(broken: Flask, services: Services) -> None:
    """The last handler never fails."""
    console = Console.of(broken, services, Role.OWNER, first_page="/console/secrets")
    broken.template_context_processors[None].append(fail)
    answer = console.client.get("/console/")
    assert (answer.status_code, answer.mimetype) == (500, "application/problem+json")
