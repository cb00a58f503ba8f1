"""Replicas on one PostgreSQL: what one does the others know, and a lost database is told and cured.

Every application here is a replica with its own engine, its own caches and its own connections.
"""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from audit_chains import first_broken_link
from flask import Flask
from postgres import PostgreSQLServer, new_server, postgresql_server
from raw_guest import PATH, SECRET, RawGuest
from servers import SAMPLE_VALUES, AdminKey, make_settings

from app.blueprints.deps import EXTENSION
from app.factory import build
from app.wiring import prepare
from guest.wire.encoding import b64_encode, b64url_decode, b64url_encode

Replica = Callable[[], Flask]

NUMBERS = itertools.count()
DENY_ALL = "package policy\nallow := false\n"
ALLOW_ALL = 'package policy\nallow if data.plugin == "resource"\n'
CONTRAINDICATED = 'package policy\ntrust_claims := {"hardware": 97}\n'


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, AdminKey]:
    """A folder with the keys of every replica; their database is named ``prepared``."""
    folder = tmp_path_factory.mktemp("replicas")
    admin = AdminKey.make(folder)
    prepare(make_settings(folder, database={"url": postgresql_server().create("prepared")}))
    return folder, admin


@pytest.fixture
def url(prepared: tuple[Path, AdminKey]) -> Iterator[str]:
    """The URL of a prepared database of this test's own."""
    server, name = postgresql_server(), f"replicas{next(NUMBERS)}"
    yield server.create(name, template="prepared")
    server.drop(name)


@pytest.fixture
def replica(url: str, prepared: tuple[Path, AdminKey]) -> Iterator[Replica]:
    """Starts replicas on the database."""
    started: list[Flask] = []

    def start() -> Flask:
        settings = make_settings(prepared[0], database={"url": url, "pool_size": 4})
        started.append(build(settings))
        return started[-1]

    yield start
    for app in started:
        app.extensions[EXTENSION].close()


@pytest.fixture
def app(replica: Replica) -> Flask:
    """The first replica."""
    return replica()


def move(guest: RawGuest, app: Flask) -> RawGuest:
    """The same guest with its cookie at another replica, as behind a load balancer."""
    moved = RawGuest(app.test_client(), guest.private)
    cookie = guest.client.get_cookie("kbs-session-id", path="/kbs/v0")
    if cookie is not None:
        moved.client.set_cookie("kbs-session-id", cookie.value, path="/kbs/v0")
    return moved


def encoded(policy: str) -> str:
    """A policy as it travels."""
    return b64url_encode(policy.encode())


def key_id(token: str) -> str:
    """Which key signed a token."""
    return str(json.loads(b64url_decode(token.partition(".")[0]))["kid"])


# --- what one replica does, the others know ----------------------------------------------------


def test_a_handshake_crosses_replicas(affirming: None, app: Flask, replica: Replica) -> None:
    """One gives the challenge, another attests, a third releases; any of them repeats it."""
    guest = RawGuest(app.test_client())
    nonce = guest.nonce()
    second = move(guest, replica())
    attested = second.attest(nonce)
    assert attested.status_code == 200, attested.json
    third = move(second, replica())
    assert third.open(third.resource().json) == SECRET
    assert move(third, app).attest(nonce).json == attested.json


def test_a_passport_crosses_replicas(
    affirming: None, app: Flask, replica: Replica, owner: dict[str, str]
) -> None:
    """Nonce, token and secret from three replicas, and the decisions are read at any."""
    guest = RawGuest(app.test_client())
    nonce = guest.as_nonce()
    second = move(guest, replica())
    token = second.passport(nonce).text
    third = move(second, replica())
    released = third.resource(token=token)
    assert third.open(released.json) == SECRET
    decision = released.headers["Vouchgate-Decision"]
    replayed = app.test_client().post(f"/api/v1/decisions/{decision}/replay", headers=owner)
    assert replayed.get_json()["same"]
    assert move(third, app).passport(nonce).json["code"] == "nonce-used"


def test_a_resource_policy_takes_effect_at_the_next_request_of_every_replica(
    affirming: None, app: Flask, replica: Replica, owner: dict[str, str]
) -> None:
    """No replica goes on with what it compiled before."""
    guest = RawGuest(app.test_client())
    guest.attest()
    other = move(guest, replica())
    assert other.resource().status_code == 200
    for policy, status in ((DENY_ALL, 403), (ALLOW_ALL, 200)):
        body = {"policy": encoded(policy)}
        written = guest.client.post("/kbs/v0/resource-policy", json=body, headers=owner)
        assert written.status_code == 200
        assert other.resource().status_code == status
        assert guest.resource().status_code == status


def test_an_attestation_policy_takes_effect_at_the_next_request_of_every_replica(
    affirming: None, app: Flask, replica: Replica, owner: dict[str, str]
) -> None:
    """The next evidence is appraised by the new policy, wherever it is sent."""
    guest, other = RawGuest(app.test_client()), RawGuest(replica().test_client())
    assert other.attest().status_code == 200
    assert other.resource().status_code == 200
    body = {"policy_id": "default_cpu", "policy": encoded(CONTRAINDICATED)}
    assert guest.client.post("/policy", json=body, headers=owner).status_code == 200
    other.attest()
    assert other.resource().json["code"] == "policy-denied"


def test_reference_values_take_effect_at_the_next_request_of_every_replica(
    app: Flask, replica: Replica, owner: dict[str, str]
) -> None:
    """What was unknown to both is known to both."""
    guest, other = RawGuest(app.test_client()), RawGuest(replica().test_client())
    guest.client.post(f"/kbs/v0/resource/{PATH}", data=SECRET, headers=owner)
    other.attest()
    assert other.resource().status_code == 403
    payload = b64_encode(json.dumps(SAMPLE_VALUES).encode())
    message = {"version": "0.1.0", "type": "sample", "payload": payload}
    assert guest.client.post("/reference-value", json=message, headers=owner).status_code == 200
    other.attest()
    assert other.open(other.resource().json) == SECRET


def test_a_rotation_reaches_every_replica(
    affirming: None, app: Flask, replica: Replica, owner: dict[str, str]
) -> None:
    """The next token of every replica is of the new key; tokens of the old one stay good."""
    guest, other = RawGuest(app.test_client()), RawGuest(replica().test_client())
    old = other.passport().text
    assert guest.client.post("/api/v1/keys/rotate", headers=owner).status_code == 200
    new = other.passport().text
    assert key_id(old) != key_id(new) == key_id(guest.passport().text)
    published = {
        key["kid"] for key in other.client.get("/.well-known/jwks.json").get_json()["keys"]
    }
    assert {key_id(old), key_id(new)} <= published
    for token in (old, new):
        assert other.open(guest.resource(token=token).json) == SECRET


def test_secrets_are_read_back_at_any_replica(
    app: Flask, replica: Replica, owner: dict[str, str]
) -> None:
    """Versions count on across replicas, and a deletion is one for all."""
    clients = [app.test_client(), replica().test_client()]
    url = f"/kbs/v0/resource/{PATH}"
    for client in (*clients, *clients):
        assert client.post(url, data=b"value", headers=owner).status_code == 200
    for client in clients:
        versions = client.get(f"/api/v1/secrets/{PATH}", headers=owner).get_json()
        assert [each["version"] for each in versions] == [4, 3, 2, 1]
    assert clients[0].delete(url, headers=owner).status_code == 200
    assert clients[1].get("/api/v1/secrets", headers=owner).json == []


# --- races ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", ["passport", "background check"])
def test_of_replicas_that_use_one_nonce_exactly_one_vouches(
    app: Flask, replica: Replica, model: str
) -> None:
    """Six guests at three replicas come with the same nonce at once."""
    guest = RawGuest(app.test_client())
    nonce = guest.as_nonce() if model == "passport" else guest.nonce()
    rivals = [
        RawGuest(move(guest, each).client) for each in (app, replica(), replica()) for _ in range(2)
    ]

    def attest(rival: RawGuest) -> int:
        response = rival.passport(nonce) if model == "passport" else rival.attest(nonce)
        return int(response.status_code)

    with ThreadPoolExecutor(len(rivals)) as pool:
        assert sorted(pool.map(attest, rivals)) == [200, 401, 401, 401, 401, 401]


def test_operators_at_two_replicas_do_not_break_each_others_writes(
    app: Flask, replica: Replica, owner: dict[str, str]
) -> None:
    """Versions without a gap, an audit log that chains: however the writes are interleaved."""
    apps = [app, replica()]

    def write(number: int) -> int:
        client = apps[number % 2].test_client()
        url = f"/kbs/v0/resource/{PATH}"
        return int(client.post(url, data=str(number).encode(), headers=owner).status_code)

    with ThreadPoolExecutor(6) as pool:
        statuses = list(pool.map(write, range(24)))
    # 409 would be honest, too; what was acknowledged must be there.
    assert set(statuses) <= {200, 409}
    client = app.test_client()
    versions = client.get(f"/api/v1/secrets/{PATH}", headers=owner).get_json()
    assert [each["version"] for each in versions] == list(range(statuses.count(200), 0, -1))
    records = app.extensions[EXTENSION].audit.page(before=None, limit=500)
    assert first_broken_link(records[::-1]) is None
    assert len(records) > statuses.count(200)


# --- the database goes away ----------------------------------------------------------------------


def refused_for_now(response: Any) -> None:
    """503, with the reason and when to try again."""
    assert response.status_code == 503, response.data
    assert int(response.headers["Retry-After"]) > 0
    assert response.headers["Vouchgate-Reason"] == "store-unavailable"


def test_connections_that_end_under_load_are_told_and_replaced(
    affirming: None, app: Flask, url: str, owner: dict[str, str]
) -> None:
    """Requests that lost their connection get 503, everyone else their secret, and then all do."""
    guest = RawGuest(app.test_client())
    token = guest.attest().json["token"]
    over = threading.Event()
    answers: list[Any] = []

    def ask(_: int) -> None:
        client = RawGuest(app.test_client())
        while not over.is_set():
            answers.append(client.resource(token=token))

    with ThreadPoolExecutor(3) as pool:
        asking = [pool.submit(ask, number) for number in range(3)]
        with postgresql_server().connect() as connection:
            for _ in range(10):
                over.wait(0.05)
                connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s",
                    [url.rpartition("/")[2]],
                )
        over.set()
        for each in asking:
            each.result()
    for answer in answers:
        if answer.status_code != 200:
            refused_for_now(answer)
    assert guest.open(guest.resource().json) == SECRET


@pytest.fixture
def mortal(prepared: tuple[Path, AdminKey]) -> Iterator[tuple[PostgreSQLServer, Flask]]:
    """A server that may be stopped, and an application on it."""
    server = new_server()
    server.start()
    settings = make_settings(prepared[0], database={"url": server.create("vouchgate")})
    prepare(settings)
    app = build(settings)
    yield server, app
    app.extensions[EXTENSION].close()
    server.stop()


def test_a_server_that_is_gone_is_told_and_its_return_noticed(
    mortal: tuple[PostgreSQLServer, Flask], owner: dict[str, str]
) -> None:
    """Every route that needs the database says 503; afterwards it serves without a restart."""
    server, app = mortal
    client = app.test_client()
    client.post(f"/kbs/v0/resource/{PATH}", data=SECRET, headers=owner)
    client.post("/kbs/v0/resource-policy", json={"policy": encoded(ALLOW_ALL)}, headers=owner)
    guest = RawGuest(client)
    token = guest.attest().json["token"]
    server.stop()
    assert client.get("/healthz").status_code == 200
    assert guest.challenge().status_code == 200, "a challenge needs no database"
    for answer in (
        client.get("/readyz"),
        guest.attest(),
        guest.resource(),
        guest.resource(token=token),
        client.post(f"/kbs/v0/resource/{PATH}", data=b"lost", headers=owner),
        client.post("/kbs/v0/resource-policy", json={"policy": encoded(DENY_ALL)}, headers=owner),
        client.get("/api/v1/decisions", headers=owner),
        client.get("/.well-known/jwks.json"),
    ):
        refused_for_now(answer)
    server.start()
    assert client.get("/readyz").status_code == 200
    assert guest.open(guest.resource(token=token).json) == SECRET
    assert guest.attest().status_code == 200
