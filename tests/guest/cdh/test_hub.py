"""The Confidential Data Hub's resources."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from guest.aa.tokens import TEEToken
from guest.cdh.hub import Hub
from guest.errors import (
    DeniedError,
    GuestError,
    NotFoundError,
    ResourceURIError,
    UnauthorizedError,
    UnavailableError,
)
from guest.kbs.client import KBSClient
from guest.kbs.tee_keys import TEEKeyPair
from guest.wire.jwe import seal

URI = "kbs:///default/app/key"


@dataclass
class FakeAgent:
    """Brings a numbered token until it is told to forget it."""

    clock: Any
    asked: list[str] = field(default_factory=list)
    held: TEEToken | None = None
    brought: int = 0

    def get_token(self, kind: str) -> TEEToken:
        """The held token, or the next."""
        self.asked.append(kind)
        if self.held is None:
            self.brought += 1
            self.held = TEEToken(f"token{self.brought}", TEEKeyPair.generate(), self.clock.now())
        return self.held

    def forget(self, kind: str, token: TEEToken) -> None:
        """Drop the held token."""
        assert token is self.held
        self.held = None


@pytest.fixture
def agent(clock: Any) -> FakeAgent:
    """An agent without a network."""
    return FakeAgent(clock)


@pytest.mark.parametrize("uri", ["", "default/app/key", "http://x/y", "kbs:///a/../b"])
def test_refuses_what_is_no_uri_before_attesting(agent: Any, scripted: Any, uri: str) -> None:
    """A typing error costs no attestation."""
    with pytest.raises(ResourceURIError):
        Hub(agent, KBSClient(scripted()), "kbs").get_resource(uri)
    assert agent.asked == []


@pytest.mark.parametrize(
    ("status", "kind"), [(403, DeniedError), (404, NotFoundError), (503, UnavailableError)]
)
def test_what_is_final_is_not_tried_again(
    agent: Any, scripted: Any, reply: Any, status: int, kind: type[GuestError]
) -> None:
    """A fresh attestation would not help."""
    transport = scripted(reply(status, {}))
    with pytest.raises(kind):
        Hub(agent, KBSClient(transport), "kbs").get_resource(URI)
    assert agent.brought == 1


def test_a_refused_token_is_replaced_once(agent: Any, scripted: Any, reply: Any) -> None:
    """Two tokens, two calls, and then the server's word stands."""
    transport = scripted(reply(401, {}), reply(401, {"code": "token-issuer-untrusted"}))
    with pytest.raises(UnauthorizedError) as caught:
        Hub(agent, KBSClient(transport), "kbs").get_resource(URI)
    assert caught.value.reason == "token-issuer-untrusted"
    sent = [call.headers["Authorization"] for call in transport.calls]
    assert sent == ["Bearer token1", "Bearer token2"]


def test_a_replaced_token_opens_with_its_own_key(agent: Any, scripted: Any, reply: Any) -> None:
    """The response is sealed to the key of the token it was asked with."""
    transport = scripted(reply(401, {}))
    hub = Hub(agent, KBSClient(transport), "coco_as")

    def forget(kind: str, token: TEEToken) -> None:
        agent.held = None
        fresh = agent.get_token(kind)
        transport.script.append(reply(200, seal(b"secret", fresh.key_pair.public)))

    agent.forget = forget
    assert hub.get_resource(URI) == b"secret"


def test_one_token_serves_many_resources(agent: Any, scripted: Any, reply: Any) -> None:
    """Attesting is the agent's business; the hub asks it for its kind of token."""
    pair = agent.get_token("coco_as").key_pair
    answers = [reply(200, seal(text, pair.public)) for text in (b"one", b"two")]
    hub = Hub(agent, KBSClient(scripted(*answers)), "coco_as")
    assert [hub.get_resource(URI), hub.get_resource(URI)] == [b"one", b"two"]
    assert agent.brought == 1
    assert set(agent.asked) == {"coco_as"}
