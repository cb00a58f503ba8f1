"""The Attestation Agent's tokens."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from guest.aa.agent import AS_TOKEN, KBS_TOKEN, AttestationAgent
from guest.errors import ConfigError, MalformedTokenError, UnreachableError
from guest.kbs.tee_keys import TEEKeyPair

PAIR = TEEKeyPair.generate()


@dataclass
class CountingSource:
    """Brings numbered tokens of five minutes; fails when told."""

    jwt: Callable[..., str]
    clock: Any
    fetched: int = 0
    failing: bool = False
    gate: threading.Event | None = None

    def fetch(self) -> tuple[str, TEEKeyPair]:
        """The next token."""
        if self.gate is not None:
            self.gate.wait(5)
        self.fetched += 1
        if self.failing:
            raise UnreachableError("as the test asked")
        now = int(self.clock.now().timestamp())
        return self.jwt(exp=now + 300, iat=now, n=self.fetched), PAIR


@pytest.fixture
def source(jwt: Any, clock: Any) -> CountingSource:
    """A source that counts."""
    return CountingSource(jwt, clock)


def test_refuses_a_type_without_a_server(source: Any, clock: Any) -> None:
    """The key that is missing is named."""
    agent = AttestationAgent({KBS_TOKEN: source}, clock)
    with pytest.raises(ConfigError, match=r"token_configs\.coco_as"):
        agent.get_token(AS_TOKEN)


def test_a_failure_is_not_kept(source: Any, clock: Any) -> None:
    """The next call attests again."""
    agent = AttestationAgent({KBS_TOKEN: source}, clock)
    source.failing = True
    with pytest.raises(UnreachableError):
        agent.get_token(KBS_TOKEN)
    source.failing = False
    assert agent.get_token(KBS_TOKEN).key_pair is PAIR


def test_a_malformed_token_is_not_kept(clock: Any) -> None:
    """Nor handed out."""

    class Odd:
        def fetch(self) -> tuple[str, TEEKeyPair]:
            return "no token", PAIR

    with pytest.raises(MalformedTokenError):
        AttestationAgent({KBS_TOKEN: Odd()}, clock).get_token(KBS_TOKEN)


def test_attests_once_until_shortly_before_expiry(source: Any, clock: Any) -> None:
    """Five minutes less half a minute."""
    agent = AttestationAgent({KBS_TOKEN: source}, clock, beside=[].append)
    first = agent.get_token(KBS_TOKEN)
    clock.at += timedelta(seconds=269)
    assert agent.get_token(KBS_TOKEN) is first
    clock.at += timedelta(seconds=1)
    assert agent.get_token(KBS_TOKEN) is not first
    assert source.fetched == 2


def test_a_stale_token_is_not_kept_over_a_failure(source: Any, clock: Any) -> None:
    """No token is better than one that has ended."""
    agent = AttestationAgent({KBS_TOKEN: source}, clock)
    agent.get_token(KBS_TOKEN)
    clock.at += timedelta(hours=1)
    source.failing = True
    with pytest.raises(UnreachableError):
        agent.get_token(KBS_TOKEN)


def test_each_type_has_its_own_token(source: Any, jwt: Any, clock: Any) -> None:
    """A token of the AS is none of the KBS."""
    other = CountingSource(jwt, clock)
    agent = AttestationAgent({KBS_TOKEN: source, AS_TOKEN: other}, clock)
    assert agent.get_token(KBS_TOKEN) is not agent.get_token(AS_TOKEN)
    assert (source.fetched, other.fetched) == (1, 1)


def test_forgets_only_what_was_refused(source: Any, clock: Any) -> None:
    """A thread that comes late does not drop the token that another has fetched since."""
    agent = AttestationAgent({KBS_TOKEN: source}, clock)
    refused = agent.get_token(KBS_TOKEN)
    agent.forget(KBS_TOKEN, refused)
    fresh = agent.get_token(KBS_TOKEN)
    agent.forget(KBS_TOKEN, refused)
    assert agent.get_token(KBS_TOKEN) is fresh
    assert source.fetched == 2


def test_many_threads_attest_once(source: Any, clock: Any) -> None:
    """One attests, the others wait for its token."""
    source.gate = threading.Event()
    agent = AttestationAgent({KBS_TOKEN: source}, clock)
    with ThreadPoolExecutor(8) as pool:
        waiting = [pool.submit(agent.get_token, KBS_TOKEN) for _ in range(8)]
        source.gate.set()
        tokens = {id(future.result(5)) for future in waiting}
    assert len(tokens) == 1
    assert source.fetched == 1


def test_a_token_in_use_is_renewed_beside(source: Any, clock: Any) -> None:
    """Callers go on with the old one, and one renewal is enough for all of them."""
    works: list[Callable[[], None]] = []
    agent = AttestationAgent({KBS_TOKEN: source}, clock, works.append)
    first = agent.get_token(KBS_TOKEN)
    clock.at += timedelta(seconds=200)
    assert agent.get_token(KBS_TOKEN) is first
    assert not works
    clock.at += timedelta(seconds=40)
    assert [agent.get_token(KBS_TOKEN) for _ in range(3)] == [first] * 3
    assert (len(works), source.fetched) == (1, 1)
    works.pop()()
    assert agent.get_token(KBS_TOKEN) is not first
    assert (len(works), source.fetched) == (0, 2)


def test_a_renewal_that_fails_is_tried_again_later(source: Any, clock: Any) -> None:
    """The held token is handed out meanwhile, and the server is not pressed."""
    works: list[Callable[[], None]] = []
    agent = AttestationAgent({KBS_TOKEN: source}, clock, works.append)
    first = agent.get_token(KBS_TOKEN)
    clock.at += timedelta(seconds=240)
    source.failing = True
    agent.get_token(KBS_TOKEN)
    works.pop()()
    clock.at += timedelta(seconds=9)
    assert agent.get_token(KBS_TOKEN) is first
    assert not works
    clock.at += timedelta(seconds=12)
    assert agent.get_token(KBS_TOKEN) is first
    source.failing = False
    works.pop()()
    assert agent.get_token(KBS_TOKEN) is not first


def test_a_renewal_and_callers_that_need_it_attest_once(source: Any, clock: Any) -> None:
    """Also when the old token ends while the renewal runs."""
    agent = AttestationAgent({KBS_TOKEN: source}, clock)
    agent.get_token(KBS_TOKEN)
    source.gate = threading.Event()
    clock.at += timedelta(seconds=240)
    agent.get_token(KBS_TOKEN)
    clock.at += timedelta(seconds=35)
    with ThreadPoolExecutor(4) as pool:
        waiting = [pool.submit(agent.get_token, KBS_TOKEN) for _ in range(4)]
        source.gate.set()
        assert len({each.result(20).token for each in waiting}) == 1
    assert source.fetched == 2
