"""A browser without JavaScript for tests of the console: signs in, reads pages, fills in forms."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from argon2 import PasswordHasher
from flask import Flask
from flask.testing import FlaskClient

from app.blueprints.services import Services
from app.console.operators import Operator
from app.console.permissions import Role

# Cheap, because what is tested here is not the hash.
_HASHER = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
PASSWORD = "a long enough passphrase"
_CSRF = re.compile(r'name="csrf_token"[^>]*value="([^"]+)"')


@dataclass(frozen=True)
class Console:
    """A signed-in operator."""

    client: FlaskClient
    csrf: str

    @classmethod
    def of(
        cls,
        app: Flask,
        services: Services,
        role: Role,
        name: str | None = None,
        *,
        first_page: str = "/console/",
        over: str = "http://localhost",
    ) -> Console:
        """A new operator of this role, signed in."""
        operator = Operator(
            name=name or f"an-{role}",
            role=role,
            password_hash=_HASHER.hash(PASSWORD),
            one_time=False,
            epoch=1,
            created_at=datetime.now(UTC),
        )
        with app.app_context(), services.operators.transactions():
            services.operators.operators.add(operator)
        return cls.again(app, operator.name, first_page=first_page, over=over)

    @classmethod
    def again(
        cls,
        app: Flask,
        name: str,
        *,
        first_page: str = "/console/",
        over: str = "http://localhost",
    ) -> Console:
        """An operator that there is, in another browser."""
        client = app.test_client()
        form = {"name": name, "password": PASSWORD}
        form["csrf_token"] = cls.token(client.get("/console/sign-in", base_url=over))
        answer = client.post("/console/sign-in", data=form, base_url=over)
        assert answer.status_code == 303, answer.text
        return cls(client, cls.token(client.get(first_page, base_url=over)))

    def get(self, path: str) -> Any:
        """A page below ``/console``."""
        return self.client.get(f"/console{path}")

    def post(self, path: str, /, **form: Any) -> Any:
        """A form below ``/console`` with its token."""
        data = {"csrf_token": self.csrf, **form}
        return self.client.post(f"/console{path}", data=data)

    @staticmethod
    def token(page: Any) -> str:
        """The token in a page's form."""
        found = _CSRF.search(page.text)
        assert found, page.text
        return found.group(1)


@pytest.fixture
def console(app: Flask, services: Services) -> Callable[..., Console]:
    """Signs a new operator of a role in to the console."""

    def sign_in(role: Role, name: str | None = None) -> Console:
        return Console.of(app, services, role, name)

    return sign_in
