"""Operators' programs for tests: they call the REST interface, each by its name."""

from __future__ import annotations

from typing import Any

from flask.testing import FlaskClient
from servers import AdminKey


class Programs:
    """Operators' programs, by name."""

    def __init__(self, client: FlaskClient, admin: AdminKey) -> None:
        self.client, self.admin = client, admin

    def ask(self, who: str, method: str, path: str, body: Any = None, role: str = "owner") -> Any:
        """What the REST interface answers to someone."""
        headers = {"Authorization": f"Bearer {self.admin.token(role, sub=who)}"}
        return self.client.open(path, method=method, headers=headers, json=body)

    def propose(self, who: str, change: Any, role: str = "owner") -> Any:
        """A new proposal, as JSON."""
        answer = self.ask(who, "POST", "/api/v1/proposals", {"change": change}, role)
        assert answer.status_code == 200, answer.text
        return answer.json

    def decide(self, who: str, proposal: Any, verb: str, revision: int = 1) -> Any:
        """Approve, reject or withdraw."""
        path = f"/api/v1/proposals/{proposal['proposal_id']}/{verb}"
        return self.ask(who, "POST", path, {"revision": revision, "comment": "seen"})
