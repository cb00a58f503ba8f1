"""One fetch for all who ask at once."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from guest.aa.agent import AttestationAgent
from guest.cdh.hub import Hub
from guest.cdh.shared_fetch import SharedFetch
from guest.errors import GuestError, NotFoundError, ResourceURIError
from guest.kbs.client import KBSClient
from guest.kbs.tee_keys import TEEKeyPair
from guest.kbs.transport import Reply
from guest.wire.jwe import seal

URI = "kbs:///a/b/c"


@dataclass
class Gate:
    """A fetch that lasts until it is opened."""

    answers: list[bytes | GuestError]
    asked: list[str] = field(default_factory=list)
    opened: threading.Event = field(default_factory=threading.Event)

    def __call__(self, uri: str) -> bytes:
        """The next answer, once the gate is open."""
        self.asked.append(uri)
        assert self.opened.wait(20)
        answer = self.answers.pop(0)
        if isinstance(answer, GuestError):
            raise answer
        return answer


@dataclass
class CountedSource:
    """Brings a token, and counts."""

    token: str
    pair: TEEKeyPair = field(default_factory=TEEKeyPair.generate)
    fetched: int = 0

    def fetch(self) -> tuple[str, TEEKeyPair]:
        """Always the same."""
        self.fetched += 1
        return self.token, self.pair


@dataclass
class SealingServer:
    """A Key Broker Service that takes its time."""

    pair: TEEKeyPair
    asked: list[str] = field(default_factory=list)
    opened: threading.Event = field(default_factory=threading.Event)

    def get(self, path: str, headers: dict[str, str]) -> Reply:
        """A secret, once it is opened."""
        self.asked.append(path)
        assert self.opened.wait(60)
        kind = {"content-type": "application/json"}
        return Reply(200, kind, json.dumps(seal(b"the secret", self.pair.public)).encode(), ())


class Crowd:
    """Callers, each in a thread; what each got."""

    def __init__(self, fetch: Callable[[str], bytes]) -> None:
        self.fetch = fetch
        self.got: list[bytes | GuestError] = []
        self.threads: list[threading.Thread] = []

    def ask(self, *uris: str) -> None:
        """One more caller for each."""
        for uri in uris:
            thread = threading.Thread(target=self._ask, args=(uri,))
            thread.start()
            self.threads.append(thread)

    def _ask(self, uri: str) -> None:
        try:
            self.got.append(self.fetch(uri))
        except GuestError as error:
            self.got.append(error)

    def leave(self) -> list[bytes | GuestError]:
        """What they got, when all have."""
        for thread in self.threads:
            thread.join(20)
        return self.got


def await_callers(shared: SharedFetch, count: int) -> None:
    """Until so many are in."""
    for _ in range(4000):
        if shared.callers == count:
            return
        threading.Event().wait(0.005)
    pytest.fail("the callers did not come")


@pytest.mark.parametrize("uri", ["", "a/b/c", "kbs:///", "kbs:///a//c", "http://x/a/b/c"])
def test_what_is_no_uri_is_fetched_by_nobody(uri: str) -> None:
    """And leaves nothing behind."""
    gate = Gate([])
    shared = SharedFetch(gate)
    with pytest.raises(ResourceURIError):
        shared(uri)
    assert gate.asked == []
    assert shared.callers == 0


def test_an_error_reaches_all_and_is_not_kept() -> None:
    """The next caller asks anew."""
    error = NotFoundError("no such resource", status=404)
    gate = Gate([error, b"there now"])
    shared = SharedFetch(gate)
    crowd = Crowd(shared)
    crowd.ask(*[URI] * 8)
    await_callers(shared, 8)
    gate.opened.set()
    assert crowd.leave() == [error] * 8
    assert gate.asked == [URI]
    assert shared.callers == 0
    assert shared(URI) == b"there now"


def test_a_fault_of_the_program_leaves_nobody_waiting() -> None:
    """Whatever it is."""

    def fetch(uri: str) -> bytes:
        raise ZeroDivisionError

    shared = SharedFetch(fetch)
    with pytest.raises(ZeroDivisionError):
        shared(URI)
    assert shared.callers == 0


def test_a_result_is_not_kept() -> None:
    """A policy that changed holds from the next request on."""
    gate = Gate([b"old", b"new"])
    gate.opened.set()
    shared = SharedFetch(gate)
    assert [shared(URI), shared(URI)] == [b"old", b"new"]


def test_other_resources_do_not_wait() -> None:
    """Each is fetched for itself, also by another plugin or with another query."""
    uris = [URI, "kbs:///a/b/d", "kbs+pkcs11:///a/b/c", "kbs:///a/b/c?version=1"]
    gate = Gate([b"x"] * 4)
    crowd = Crowd(SharedFetch(gate))
    crowd.ask(*uris)
    gate.opened.set()
    assert crowd.leave() == [b"x"] * 4
    assert sorted(gate.asked) == sorted(uris)


def test_spellings_of_a_resource_are_one() -> None:
    """A host routes nothing, and schemes have no case."""
    gate = Gate([b"x"])
    shared = SharedFetch(gate)
    crowd = Crowd(shared)
    crowd.ask(URI, "kbs://any.host/a/b/c", "KBS:///a/b/c", "kbs+resource:///a/b/c")
    await_callers(shared, 4)
    gate.opened.set()
    assert crowd.leave() == [b"x"] * 4
    assert len(gate.asked) == 1


def test_a_thousand_containers_cost_one_attestation_and_one_request(clock: Any, jwt: Any) -> None:
    """The agent attests once, the server is asked once, and each has the secret."""
    source = CountedSource(jwt(exp=4102444800))
    server = SealingServer(source.pair)
    agent = AttestationAgent({"kbs": source}, clock, beside=lambda work: None)
    shared = SharedFetch(Hub(agent, KBSClient(server), "kbs").get_resource)  # type: ignore[arg-type]  # of a Transport, get is used
    crowd = Crowd(shared)
    crowd.ask(*[URI] * 1000)
    await_callers(shared, 1000)
    server.opened.set()
    assert crowd.leave() == [b"the secret"] * 1000
    assert (source.fetched, server.asked) == (1, ["/kbs/v0/resource/a/b/c"])
    assert shared.callers == 0
