"""Operators' programs for tests: they call the REST interface, each by its name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient
from servers import AdminKey

Call = Callable[..., Any]


class Programs:
    """Operators' programs, by name."""

    def __init__(self, client: FlaskClient, admin: AdminKey) -> None:
        self.client, self.admin = client, admin

    def ask(
        self,
        who: str,
        method: str,
        path: str,
        body: Any = None,
        role: str = "owner",
        **how: Any,
    ) -> Any:
        """What the REST interface answers to someone.

        Args:
            who: by which name.
            method: of the request.
            path: with its query.
            body: sent as JSON; ``None`` is no body.
            role: of the operator.
            how: anything else that a request of Flask's client takes.
        """
        headers = {"Authorization": f"Bearer {self.admin.token(role, sub=who)}"}
        return self.client.open(path, method=method, headers=headers, json=body, **how)

    def propose(self, who: str, change: Any, role: str = "owner") -> Any:
        """A new proposal, as JSON."""
        answer = self.ask(who, "POST", "/api/v1/proposals", {"change": change}, role)
        assert answer.status_code == 200, answer.text
        return answer.json

    def decide(self, who: str, proposal: Any, verb: str, revision: int = 1) -> Any:
        """Approve, reject or withdraw."""
        path = f"/api/v1/proposals/{proposal['proposal_id']}/{verb}"
        return self.ask(who, "POST", path, {"revision": revision, "comment": "seen"})


@pytest.fixture
def call(client: FlaskClient, owner: dict[str, str]) -> Call:
    """Sends a request of Flask's client as an owner."""

    def send(method: str, path: str, **request: Any) -> Any:
        headers = owner | request.pop("headers", {})
        return client.open(path, method=method, headers=headers, **request)

    return send


@pytest.fixture
def refuses(call: Call, row_counts: Callable[[], dict[str, int]]) -> Callable[..., str]:
    """Sends what has to be a 400 that leaves every table as it was; the reason code."""

    def send(method: str, path: str, request: dict[str, Any]) -> str:
        before = row_counts()
        response = call(method, path, **request)
        assert response.status_code == 400, response.text
        assert row_counts() == before
        return str(response.json["code"])

    return send
