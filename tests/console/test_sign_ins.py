"""Signing in: guesses are slow, nobody is held up by a stranger, codes count once."""

from __future__ import annotations

from datetime import datetime

import pyotp
import pytest
from account_fakes import MemoryAttempts, MemoryOperators, MemorySecondFactors
from argon2 import PasswordHasher
from fakes import NOON, FakeClock, MemoryAuditLog, MemoryDatabase

from app.console.attempts import Attempts
from app.console.devices import Devices
from app.console.operators import Operator, OperatorService
from app.console.permissions import Role
from app.console.second_factors import SecondFactors
from app.console.sign_ins import KINDS, Caller, SignIns
from app.trust.audit import Actor
from app.trust.errors import (
    ConflictError,
    MalformedRequestError,
    TooManyRequestsError,
    UnauthenticatedError,
)
from app.trust.sealing import KeyEncryptionKey, Sealer
from app.trust.tickets import TicketKey, TicketKeys

HASHER = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
PASSWORD = "a long enough passphrase"
HOME, STRANGER = Caller("192.0.2.1"), Caller("198.51.100.7")
ANN = Operator("ann", Role.OWNER, HASHER.hash(PASSWORD), False, 1, NOON)
ACTOR = Actor("ann", Role.OWNER, "192.0.2.1")
KEYS = TicketKeys.of(TicketKey(b"k" * 8, b"s" * 32))


class Bench:
    """An owner named ann, on fakes."""

    def __init__(self) -> None:
        self.db = MemoryDatabase()
        self.clock = FakeClock()
        audit = MemoryAuditLog(self.db)
        self.attempts = Attempts(
            MemoryAttempts(self.db), self.db.transactions, self.clock, lambda: b"k" * 32
        )
        self.operators = OperatorService(
            operators=MemoryOperators(self.db, ANN),
            audit=audit,
            transactions=self.db.transactions,
            clock=self.clock,
            hasher=HASHER,
            decoy_hash=lambda: ANN.password_hash,
            end_sessions=lambda _: None,
            forgive=lambda name: self.attempts.forgive(name, *KINDS),
        )
        self.factors = SecondFactors(
            MemorySecondFactors(self.db),
            Sealer([KeyEncryptionKey(b"k" * 32)]),
            lambda: KEYS,
            audit,
            self.db.transactions,
            self.clock,
        )
        self.devices = Devices(lambda: KEYS, self.clock)
        self.sign_ins = SignIns(
            self.operators, self.factors, self.attempts, self.devices, frozenset({"owner"})
        )

    def guess(self, caller: Caller, times: int, name: str = "ann") -> None:
        """Show a wrong password some times."""
        for _ in range(times):
            with pytest.raises(UnauthenticatedError):
                self.sign_ins.check_password(name, "wrong", caller)

    def signs_in(self, caller: Caller) -> bool:
        """Whether the right password is looked at, and taken."""
        try:
            self.sign_ins.check_password("ann", PASSWORD, caller)
        except TooManyRequestsError:
            return False
        return True

    def set_up(self) -> tuple[pyotp.TOTP, list[str]]:
        """A second factor of ann's: what her phone has, and her recovery codes."""
        offer = self.factors.offer("ann")
        phone = pyotp.TOTP(offer.secret)
        codes = self.factors.accept("ann", offer.ticket, phone.at(self.clock.now()), ACTOR)
        self.clock.forward(seconds=30)
        return phone, codes

    def actions(self) -> list[str]:
        """What the audit log has."""
        return [record.entry.action for record in self.db.audit]


@pytest.fixture
def bench() -> Bench:
    """A fresh one."""
    return Bench()


def at(moment: datetime, phone: pyotp.TOTP) -> str:
    """What the phone shows."""
    return phone.at(moment)


@pytest.mark.parametrize("name", ["ann", "nobody"])
def test_a_guesser_is_held_up_for_a_quarter_of_an_hour(bench: Bench, name: str) -> None:
    """After five guesses, and alike whether or not there is such an account."""
    bench.guess(STRANGER, 5, name)
    with pytest.raises(TooManyRequestsError) as refused:
        bench.sign_ins.check_password(name, PASSWORD, STRANGER)
    assert refused.value.retry_after == 900
    bench.clock.forward(minutes=15)
    bench.guess(STRANGER, 1, name)


def test_a_stranger_holds_up_nobody_at_another_address(bench: Bench) -> None:
    """The operator signs in from home meanwhile."""
    bench.guess(STRANGER, 5)
    assert not bench.signs_in(STRANGER)
    assert bench.signs_in(HOME)


def test_many_strangers_hold_up_no_browser_that_is_known(bench: Bench) -> None:
    """A hundred guesses from everywhere, also from the operator's own address."""
    cookie = bench.devices.issue("ann")
    bench.guess(HOME, 5)
    for number in range(19):
        bench.guess(Caller(f"198.51.100.{number}"), 5)
    assert not bench.signs_in(Caller("203.0.113.1"))
    assert bench.signs_in(Caller(HOME.source, cookie))


def test_a_known_browser_is_none_for_other_names(bench: Bench) -> None:
    """A cookie of bob's is no licence to guess ann's password."""
    cookie = bench.devices.issue("bob")
    bench.guess(Caller(STRANGER.source, cookie), 5)
    assert not bench.signs_in(Caller(STRANGER.source, cookie))


@pytest.mark.parametrize("cookie", ["", "x", "AAAA", "%", "é" * 50])
def test_a_cookie_that_was_made_elsewhere_is_none(bench: Bench, cookie: str) -> None:
    """Whoever holds it is a stranger."""
    assert bench.devices.recognise(cookie, "ann") is None


def test_a_known_browser_guesses_no_more_than_others(bench: Bench) -> None:
    """Who stole the cookie is a stranger after ten guesses, and has five more as one."""
    stolen = Caller(STRANGER.source, bench.devices.issue("ann"))
    bench.guess(stolen, 15)
    assert not bench.signs_in(stolen)


def test_one_source_does_not_try_every_name(bench: Bench) -> None:
    """Fifty attempts a quarter of an hour, over all names."""
    for number in range(50):
        bench.guess(STRANGER, 1, f"name{number}")
    assert not bench.signs_in(STRANGER)
    assert bench.signs_in(HOME)


def test_addresses_of_one_network_are_one_source(bench: Bench) -> None:
    """Whoever has one address of version 6 has 2^64 of them."""
    for number in range(5):
        bench.guess(Caller(f"2001:db8:0:1::{number}"), 1)
    assert not bench.signs_in(Caller("2001:db8:0:1:ffff::1"))
    assert bench.signs_in(Caller("2001:db8:0:2::1"))


def test_success_forgives(bench: Bench) -> None:
    """Typing errors do not add up."""
    for _ in range(10):
        bench.guess(HOME, 4)
        assert bench.signs_in(HOME)


def test_a_reset_forgives_what_strangers_did_to_the_name(bench: Bench) -> None:
    """The owner's new one-time password works, whatever was guessed before."""
    for number in range(20):
        bench.guess(Caller(f"198.51.100.{number}"), 5)
    assert not bench.signs_in(HOME)
    password = bench.operators.reset("ann", ACTOR)
    assert bench.sign_ins.check_password("ann", password, HOME).name == "ann"


def test_strangers_cannot_fill_the_store(bench: Bench) -> None:
    """A thousand names are a thousand rows at most, and 20 bits are the end of it."""
    for number in range(1000):
        bench.guess(Caller(f"198.51.{number % 250}.{number // 250}"), 1, f"name{number}")
    assert all(len(bucket) == 5 for bucket in bench.db.attempts)


def test_strangers_cannot_fill_the_audit_log(bench: Bench) -> None:
    """The first failure of a kind is recorded, the fifth, and a hundred an hour in all."""
    bench.guess(STRANGER, 5)
    assert bench.actions() == ["operators:sign-in:fail"] * 2
    for number in range(300):
        bench.guess(Caller(f"203.0.{number % 250}.{number // 250}"), 1, f"name{number}")
    assert len(bench.db.audit) == 100
    bench.clock.forward(hours=1)
    bench.guess(Caller("192.0.2.200"), 1)
    assert len(bench.db.audit) == 101


@pytest.mark.parametrize(("name", "subject"), [("ann", "ann"), (PASSWORD, "unknown")])
def test_a_failure_names_accounts_only(bench: Bench, name: str, subject: str) -> None:
    """A password in the wrong field is written down nowhere."""
    bench.guess(STRANGER, 1, name)
    entry = bench.db.audit[-1].entry
    assert (entry.subject, entry.after) == (subject, "password")
    assert entry.actor == Actor("stranger", "none", STRANGER.source)


def test_a_code_counts_once(bench: Bench) -> None:
    """Who saw it on the screen is too late (RFC 6238, section 5.2)."""
    phone, _ = bench.set_up()
    code = at(bench.clock.now(), phone)
    bench.sign_ins.check_code(ANN, code, HOME)
    with pytest.raises(UnauthenticatedError):
        bench.sign_ins.check_code(ANN, code, HOME)


def test_the_code_of_the_setup_does_not_count_again(bench: Bench) -> None:
    """It was shown once already."""
    phone, _ = bench.set_up()
    with pytest.raises(UnauthenticatedError):
        bench.sign_ins.check_code(ANN, phone.at(NOON), HOME)


@pytest.mark.parametrize("seconds", [-90, -60, 60, 90])
def test_a_code_of_another_time_is_wrong(bench: Bench, seconds: int) -> None:
    """One step to either side is a clock that is off; two are not."""
    phone, _ = bench.set_up()
    bench.clock.forward(minutes=10)
    now = bench.clock.now()
    bench.clock.forward(seconds=seconds)
    code = at(bench.clock.now(), phone)
    bench.clock.at = now
    with pytest.raises(UnauthenticatedError):
        bench.sign_ins.check_code(ANN, code, HOME)


def test_an_older_code_does_not_count_after_a_newer_one(bench: Bench) -> None:
    """Steps only grow."""
    phone, _ = bench.set_up()
    bench.clock.forward(minutes=1)
    older = at(bench.clock.now(), phone)
    bench.clock.forward(seconds=30)
    bench.sign_ins.check_code(ANN, at(bench.clock.now(), phone), HOME)
    with pytest.raises(UnauthenticatedError):
        bench.sign_ins.check_code(ANN, older, HOME)


@pytest.mark.parametrize("code", ["", "123", "12345", "abcdef", "00000-00000-00000-00000", "é" * 6])
def test_what_is_no_code_is_wrong(bench: Bench, code: str) -> None:
    """Of whatever form."""
    bench.set_up()
    with pytest.raises(UnauthenticatedError):
        bench.sign_ins.check_code(ANN, code, HOME)


def test_codes_cannot_be_guessed_either(bench: Bench) -> None:
    """Five tries of six digits in a quarter of an hour."""
    phone, _ = bench.set_up()
    for _ in range(5):
        with pytest.raises(UnauthenticatedError):
            bench.sign_ins.check_code(ANN, "000000", STRANGER)
    with pytest.raises(TooManyRequestsError):
        bench.sign_ins.check_code(ANN, at(bench.clock.now(), phone), STRANGER)


def test_a_recovery_code_signs_in_once(bench: Bench) -> None:
    """However it is spelt; that it was spent is written down."""
    _, codes = bench.set_up()
    assert len(set(codes)) == 10
    bench.sign_ins.check_code(ANN, f" {codes[3].upper()} ", HOME)
    assert bench.actions()[-1] == "operators:recovery-code:spend"
    assert bench.factors.recovery_codes_left("ann") == 9
    with pytest.raises(UnauthenticatedError):
        bench.sign_ins.check_code(ANN, codes[3], HOME)


def test_an_offer_is_for_one_account_and_a_while(bench: Bench) -> None:
    """A ticket of ann's sets nothing up for bob, nor for ann tomorrow."""
    offer = bench.factors.offer("ann")
    code = at(bench.clock.now(), pyotp.TOTP(offer.secret))
    for operator, ticket in (("bob", offer.ticket), ("ann", "x"), ("ann", "AAAA")):
        with pytest.raises(MalformedRequestError):
            bench.factors.accept(operator, ticket, code, ACTOR)
    bench.clock.forward(minutes=15)
    with pytest.raises(MalformedRequestError):
        bench.factors.accept("ann", offer.ticket, code, ACTOR)
    assert not bench.factors.is_on("ann")


def test_an_offer_needs_a_code_of_its_own(bench: Bench) -> None:
    """A phone that did not get the secret would lock its operator out."""
    offer = bench.factors.offer("ann")
    other = at(bench.clock.now(), pyotp.TOTP(bench.factors.offer("ann").secret))
    with pytest.raises(UnauthenticatedError):
        bench.factors.accept("ann", offer.ticket, other, ACTOR)
    assert not bench.factors.is_on("ann")


def test_a_second_factor_is_not_replaced_unseen(bench: Bench) -> None:
    """It has to be taken away first, which asks for it."""
    bench.set_up()
    offer = bench.factors.offer("ann")
    code = at(bench.clock.now(), pyotp.TOTP(offer.secret))
    with pytest.raises(ConflictError):
        bench.factors.accept("ann", offer.ticket, code, ACTOR)


def test_taking_it_away_is_written_down_and_happens_once(bench: Bench) -> None:
    """Setting it up is, too."""
    bench.set_up()
    bench.factors.remove("ann", ACTOR)
    assert bench.actions() == ["operators:second-factor:set", "operators:second-factor:remove"]
    with pytest.raises(ConflictError):
        bench.factors.remove("ann", ACTOR)


def test_the_secret_rests_sealed_and_can_be_rewrapped(bench: Bench) -> None:
    """What is stored is not what the phone has, and opens under a new key after the rewrap."""
    phone, _ = bench.set_up()
    before = bench.db.second_factors["ann"].sealed_secret
    assert phone.byte_secret() not in before
    new, old = KeyEncryptionKey(b"n" * 32), KeyEncryptionKey(b"k" * 32)
    object.__setattr__(bench.factors, "sealer", Sealer([new, old]))
    assert bench.factors.rewrap() == 1
    object.__setattr__(bench.factors, "sealer", Sealer([new]))
    bench.factors.verify("ann", at(bench.clock.now(), phone), ACTOR)


def test_a_second_proof_is_the_stronger_one(bench: Bench) -> None:
    """With a second factor, the password is not enough to do what is dangerous."""
    bench.sign_ins.prove(ANN, PASSWORD, HOME)
    phone, _ = bench.set_up()
    with pytest.raises(UnauthenticatedError):
        bench.sign_ins.prove(ANN, PASSWORD, HOME)
    bench.sign_ins.prove(ANN, at(bench.clock.now(), phone), HOME)


def test_a_role_can_require_a_second_factor(bench: Bench) -> None:
    """Until there is one."""
    assert bench.sign_ins.lacks_second_factor(ANN)
    bench.set_up()
    assert not bench.sign_ins.lacks_second_factor(ANN)
