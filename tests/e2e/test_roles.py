"""Each role in a browser: what it is offered, what it may open, and what it is refused."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from browsing import Reader
from live import Live
from playwright.sync_api import Browser, expect
from servers import AdminKey, make_settings

from app.blueprints.deps import EXTENSION
from app.blueprints.services import Services
from app.console.permissions import Role
from app.factory import build
from app.trust.audit import Actor

Arrival = Callable[[Role], Reader]

# Every page of the navigation, in its order, and who is offered it.
EVERYBODY = set(Role)
KEEPERS = {Role.AUDITOR, Role.OPERATOR, Role.OWNER}
OFFERED = {
    "Overview": EVERYBODY,
    "Decisions": EVERYBODY,
    "Secrets": KEEPERS | {Role.SECRET_CUSTODIAN},
    "Policies": EVERYBODY,
    "Proposals": EVERYBODY,
    "Reference values": EVERYBODY,
    "Issuers": KEEPERS,
    "Signing keys": KEEPERS,
    "Collateral": EVERYBODY,
    "Inspector": EVERYBODY,
    "Audit": KEEPERS,
    "Operators": {Role.OWNER},
    "API tokens": EVERYBODY,
    "Roles": EVERYBODY,
    "First steps": EVERYBODY,
    "Settings": KEEPERS,
    "Components": {Role.OWNER},
}
# A page that each role may open, with its heading; one that it may not, and what it lacks.
LIMITS = {
    Role.VIEWER: ("policies", "Policies", "secrets", "secrets:metadata:read"),
    Role.AUDITOR: ("audit", "Audit", "secrets/new", "secrets:secret:write"),
    Role.POLICY_AUTHOR: (
        "reference-values/new",
        "Add a reference value",
        "audit",
        "audit:log:read",
    ),
    Role.SECRET_CUSTODIAN: (
        "secrets/new",
        "Write a secret",
        "policies/new/resource",
        "proposals:proposal:write",
    ),
    Role.OPERATOR: (
        "signing-keys/rotate",
        "Rotate the signing key?",
        "operators",
        "operators:account:manage",
    ),
}


@pytest.fixture(scope="module")
def arrive(
    tmp_path_factory: pytest.TempPathFactory, prepared: tuple[Path, AdminKey], browser: Browser
) -> Iterator[Arrival]:
    """Lets an operator of a role sign in to the one server of these tests."""
    folder = tmp_path_factory.mktemp("roles")
    shutil.copytree(prepared[0], folder, dirs_exist_ok=True)
    app = build(make_settings(folder))
    services: Services = app.extensions[EXTENSION]
    with closing(services), Live(app) as live, ExitStack() as leaving:

        def arrive(role: Role) -> Reader:
            with app.app_context():
                password = services.operators.create(role, role, Actor("tests", Role.OWNER))
            reader = Reader(browser, f"{live.url}/console/")
            leaving.callback(reader.close)
            reader.sign_in(role, password)
            return reader

        yield arrive


def menu(reader: Reader) -> list[str]:
    """What the navigation offers."""
    links = reader.page.get_by_role("navigation", name="Main").get_by_role("link")
    expect(links.first).to_be_visible()
    return [text.strip() for text in links.all_inner_texts()]


@pytest.mark.parametrize("role", LIMITS)
def test_a_role_has_its_limits(role: Role, arrive: Arrival) -> None:
    """What it may not do is not offered, and refused with the name of what it lacks."""
    permitted, heading, refused, permission = LIMITS[role]
    reader = arrive(role)
    assert menu(reader) == [title for title, roles in OFFERED.items() if role in roles]
    reader.open(permitted)
    reader.is_at(heading)
    assert reader.complaints == []
    reader.open(refused)
    reader.is_at("You may not do this")
    expect(reader.page.locator("main")).to_contain_text(permission)


def test_an_owner_is_offered_everything(arrive: Arrival) -> None:
    """And each of it opens."""
    reader = arrive(Role.OWNER)
    assert menu(reader) == list(OFFERED)
    for link in reader.page.get_by_role("navigation", name="Main").get_by_role("link").all():
        address = reader.console.removesuffix("/console/") + (link.get_attribute("href") or "")
        assert reader.context.request.get(address).status == 200
