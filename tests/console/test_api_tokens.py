"""API tokens: never more than their role, their narrowing, and whoever made them."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from account_fakes import MemoryAPITokens, MemoryOperators
from fakes import NOON, FakeClock, MemoryAuditLog, MemoryDatabase

from app.console.api_tokens import APITokens, Maker, TokenDraft, is_api_token
from app.console.operators import Operator
from app.console.permissions import PERMISSIONS, Permission, Role
from app.trust.audit import Actor
from app.trust.errors import (
    APITokenNotFoundError,
    MalformedRequestError,
    PermissionDeniedError,
    UnauthenticatedError,
)

ANN = Operator("ann", Role.OPERATOR, "-", one_time=False, epoch=1, created_at=NOON)
BY_ANN = Maker(Actor("ann", Role.OPERATOR), PERMISSIONS[Role.OPERATOR], "ann")
BY_CLI = Maker(Actor("cli:root", Role.OWNER), PERMISSIONS[Role.OWNER], None)
VIEWER = TokenDraft("a script", Role.VIEWER, None, 30)


class Bench:
    """An operator named ann, on fakes."""

    def __init__(self) -> None:
        self.db = MemoryDatabase()
        self.clock = FakeClock()
        self.tokens = APITokens(
            MemoryAPITokens(self.db),
            MemoryOperators(self.db, ANN),
            MemoryAuditLog(self.db),
            self.db.transactions,
            self.clock,
        )

    def make(self, draft: TokenDraft = VIEWER, by: Maker = BY_ANN) -> str:
        """The text of a new token."""
        return self.tokens.make(draft, by)[1]

    def permissions(self, text: str) -> frozenset[Permission]:
        """What a token may."""
        return self.tokens.authenticate(text).permissions

    def is_refused(self, text: str) -> bool:
        """Whether a token opens nothing."""
        try:
            self.tokens.authenticate(text)
        except UnauthenticatedError as error:
            return error.message == "this bearer token is not accepted"
        return False


@pytest.fixture
def bench() -> Bench:
    """A fresh one."""
    return Bench()


def test_what_was_not_made_here_opens_nothing(bench: Bench) -> None:
    """Of any form, and with a genuine id before another secret."""
    genuine = bench.make()
    token_id = genuine.split("_")[1]
    for forged in (
        "",
        "vouchgate_",
        genuine[:-1],
        genuine + "0",
        genuine.upper(),
        f" {genuine}",
        f"vouchgate_{token_id}_{'0' * 64}",
        f"vouchgate_{'0' * 16}_{genuine.split('_')[2]}",
    ):
        assert bench.is_refused(forged), forged


def test_the_secret_rests_as_a_digest(bench: Bench) -> None:
    """What the database has opens nothing, and the audit log has the id only."""
    text = bench.make()
    (stored,) = bench.db.api_tokens.values()
    assert text.split("_")[2] not in repr(stored)
    assert bench.is_refused(f"vouchgate_{stored.token_id}_{stored.digest}")
    assert bench.db.audit[-1].entry.subject == stored.token_id


def test_scanners_find_it(bench: Bench) -> None:
    """A prefix of our own and a fixed form; nothing else is taken for one."""
    text = bench.make()
    assert re.fullmatch(r"vouchgate_[0-9a-f]{16}_[0-9a-f]{64}", text)
    assert is_api_token(text)
    assert not is_api_token("eyJhbGciOiJFZERTQSJ9.e30.x")


def test_it_expires(bench: Bench) -> None:
    """On its last day, to the second."""
    text = bench.make()
    bench.clock.forward(days=30, seconds=-1)
    assert not bench.is_refused(text)
    bench.clock.forward(seconds=1)
    assert bench.is_refused(text)


def test_it_may_what_its_role_may(bench: Bench) -> None:
    """And acts for who made it."""
    identity = bench.tokens.authenticate(bench.make())
    assert identity.permissions == PERMISSIONS[Role.VIEWER]
    assert (identity.name, identity.role) == ("ann", Role.VIEWER)


def test_it_may_less_when_it_was_narrowed(bench: Bench) -> None:
    """To one permission of the role's."""
    narrowed = replace(VIEWER, permissions=frozenset({Permission.DECISION_READ}))
    assert bench.permissions(bench.make(narrowed)) == {Permission.DECISION_READ}


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"label": ""}, MalformedRequestError),
        ({"label": "x" * 65}, MalformedRequestError),
        ({"label": "a\nb"}, MalformedRequestError),
        ({"days": 0}, MalformedRequestError),
        ({"days": 366}, MalformedRequestError),
        ({"permissions": frozenset()}, MalformedRequestError),
        ({"permissions": frozenset({Permission.AUDIT_READ})}, MalformedRequestError),
        ({"role": Role.OWNER}, PermissionDeniedError),
        ({"role": Role.SECRET_CUSTODIAN}, PermissionDeniedError),
    ],
)
def test_refuses_to_make(bench: Bench, change: dict[str, object], error: type[Exception]) -> None:
    """Nothing without a label or an end, nothing that its maker may not do itself."""
    with pytest.raises(error):
        bench.make(replace(VIEWER, **change))  # type: ignore[arg-type]
    assert bench.db.api_tokens == {}
    assert bench.db.audit == []


def test_a_part_of_a_stronger_role_can_be_made(bench: Bench) -> None:
    """When its maker may do all of that part."""
    draft = replace(VIEWER, role=Role.OWNER, permissions=frozenset({Permission.KEY_ROTATE}))
    assert bench.permissions(bench.make(draft)) == {Permission.KEY_ROTATE}


def test_it_loses_what_its_maker_loses(bench: Bench) -> None:
    """A demoted operator's tokens are demoted, a disabled one's are refused."""
    text = bench.make(replace(VIEWER, role=Role.OPERATOR))
    assert Permission.KEY_ROTATE in bench.permissions(text)
    bench.db.operators["ann"] = replace(ANN, role=Role.VIEWER)
    assert bench.permissions(text) == PERMISSIONS[Role.VIEWER]
    bench.db.operators["ann"] = replace(ANN, disabled_at=NOON)
    assert bench.is_refused(text)
    del bench.db.operators["ann"]
    assert bench.is_refused(text)


def test_one_that_no_account_made_is_bound_by_its_role_alone(bench: Bench) -> None:
    """Such as one that was made at the server's terminal."""
    text = bench.make(replace(VIEWER, role=Role.OWNER), BY_CLI)
    assert bench.permissions(text) == PERMISSIONS[Role.OWNER]


def test_a_revoked_token_opens_nothing(bench: Bench) -> None:
    """From the next request on, and that is written down."""
    text = bench.make()
    (stored,) = bench.tokens.page()
    with pytest.raises(APITokenNotFoundError):
        bench.tokens.revoke(stored.token_id, BY_ANN.actor, of="bob")
    with pytest.raises(APITokenNotFoundError):
        bench.tokens.revoke("0" * 16, BY_ANN.actor)
    assert not bench.is_refused(text)
    bench.tokens.revoke(stored.token_id, BY_ANN.actor, of="ann")
    assert bench.is_refused(text)
    assert bench.db.audit[-1].entry.action == "operators:api-token:revoke"


def test_uses_are_written_down_rarely(bench: Bench) -> None:
    """A program that asks every second writes every five minutes."""
    text = bench.make()
    before = bench.db.commits
    for _ in range(3):
        bench.tokens.authenticate(text)
    assert bench.db.commits == before + 1
    bench.clock.forward(minutes=5, seconds=1)
    bench.tokens.authenticate(text)
    (stored,) = bench.tokens.page(account="ann")
    assert stored.used_at == bench.clock.now()
