"""The first operator: a code that is good once, for a while, and never once there is an owner."""

from __future__ import annotations

from dataclasses import replace

import pytest
from account_fakes import MemoryOperators, MemorySetupCodes
from argon2 import PasswordHasher
from fakes import NOON, FakeClock, MemoryAuditLog, MemoryDatabase

from app.console.first_run import FirstRun
from app.console.operators import Operator, OperatorService
from app.console.permissions import Role
from app.trust.audit import Actor
from app.trust.errors import ConflictError, MalformedRequestError, UnauthenticatedError

TERMINAL = Actor("cli:root", Role.OWNER)
PASSWORD = "a long enough passphrase"
OWNER = Operator("olga", Role.OWNER, "-", one_time=False, epoch=1, created_at=NOON)


class Bench:
    """An installation without an owner, on fakes."""

    def __init__(self) -> None:
        self.db = MemoryDatabase()
        self.clock = FakeClock()
        self.accounts = OperatorService(
            operators=MemoryOperators(self.db),
            audit=MemoryAuditLog(self.db),
            transactions=self.db.transactions,
            clock=self.clock,
            hasher=PasswordHasher(time_cost=1, memory_cost=8, parallelism=1),
            decoy_hash=lambda: "",
            end_sessions=lambda _: None,
            forgive=lambda _: None,
        )
        self.first_run = FirstRun(MemorySetupCodes(self.db), self.accounts)

    def finish(self, code: str, name: str = "ann", password: str = PASSWORD) -> Operator:
        """Use a code."""
        return self.first_run.finish(code, name, password, "192.0.2.1")


@pytest.fixture
def bench() -> Bench:
    """A fresh one."""
    return Bench()


@pytest.mark.parametrize("guess", ["", "x", "0" * 43])
def test_refuses_a_guess(bench: Bench, guess: str) -> None:
    """Before a code is out, and while one is."""
    for _ in range(2):
        with pytest.raises(UnauthenticatedError):
            bench.finish(guess)
        bench.first_run.issue(TERMINAL)
    assert bench.db.operators == {}


def test_refuses_what_rests(bench: Bench) -> None:
    """Who reads the database has no code."""
    code = bench.first_run.issue(TERMINAL)
    (stored,) = bench.db.setup_codes
    assert code not in repr(stored)
    with pytest.raises(UnauthenticatedError):
        bench.finish(stored.digest)


def test_refuses_an_old_code(bench: Bench) -> None:
    """After an hour."""
    code = bench.first_run.issue(TERMINAL)
    bench.clock.forward(hours=1)
    with pytest.raises(UnauthenticatedError):
        bench.finish(code)


def test_refuses_a_code_that_was_replaced(bench: Bench) -> None:
    """There is one code at a time."""
    first, second = bench.first_run.issue(TERMINAL), bench.first_run.issue(TERMINAL)
    with pytest.raises(UnauthenticatedError):
        bench.finish(first)
    assert bench.finish(second).role is Role.OWNER


def test_a_code_is_worthless_once_there_is_an_owner(bench: Bench) -> None:
    """However the owner came to be, and also when it is disabled."""
    code = bench.first_run.issue(TERMINAL)
    bench.db.operators["olga"] = replace(OWNER, disabled_at=NOON)
    assert not bench.first_run.is_open()
    with pytest.raises(ConflictError):
        bench.finish(code)
    with pytest.raises(ConflictError):
        bench.first_run.issue(TERMINAL)
    assert list(bench.db.operators) == ["olga"]


def test_a_code_makes_one_owner(bench: Bench) -> None:
    """Who may sign in at once; the code is gone, and it is written down."""
    code = bench.first_run.issue(TERMINAL)
    assert bench.finish(f" {code}\n").name == "ann"
    assert bench.accounts.verify_password("ann", PASSWORD).role is Role.OWNER
    assert bench.db.setup_codes == []
    with pytest.raises(UnauthenticatedError):
        bench.finish(code, "bob")
    actions = [record.entry.action for record in bench.db.audit]
    assert actions == ["operators:setup-code:issue", "operators:account:set-up"]


@pytest.mark.parametrize(
    ("name", "password"),
    [("", PASSWORD), ("a\nb", PASSWORD), ("oidc:ann", PASSWORD), ("ann", "short")],
)
def test_bad_input_costs_no_code(bench: Bench, name: str, password: str) -> None:
    """The form can be filled in again."""
    code = bench.first_run.issue(TERMINAL)
    with pytest.raises(MalformedRequestError):
        bench.finish(code, name, password)
    assert bench.finish(code).name == "ann"


def test_a_viewer_is_no_owner(bench: Bench) -> None:
    """An account that cannot administer leaves the installation open."""
    bench.db.operators["vera"] = replace(OWNER, name="vera", role=Role.VIEWER)
    assert bench.finish(bench.first_run.issue(TERMINAL)).name == "ann"
