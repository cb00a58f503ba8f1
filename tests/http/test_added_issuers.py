"""Issuers that operators add: shown, confirmed, believed at once everywhere, and no longer."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from console_client import Console
from cryptography.hazmat.primitives.serialization import Encoding
from flask import Flask
from flask.testing import FlaskClient
from live import Live
from minting import Authority, Mint, ear_claims, x5c
from raw_guest import RawGuest
from servers import AdminKey, make_settings

from app.blueprints.deps import EXTENSION
from app.blueprints.services import Services
from app.console.permissions import Role
from app.factory import build

ISS = "https://elsewhere.example"


@dataclass
class Elsewhere:
    """An issuer on a port of its own, with discovery and a key set.

    Attributes:
        mint: signs.
        redirects: answers every request by sending the asker on.
    """

    mint: Mint = field(default_factory=Mint)
    redirects: str = ""
    url: str = ""
    asked: list[str] = field(default_factory=list)

    def __call__(self, environ: dict[str, Any], start_response: Any) -> list[bytes]:
        """Answer."""
        self.asked.append(environ["PATH_INFO"])
        if self.redirects:
            start_response("302 Found", [("Location", self.redirects)])
            return [b""]
        discovery = {"issuer": ISS, "jwks_uri": f"{self.url}/keys"}
        keys = {"keys": [self.mint.jwk()]}
        found: Any = {"/.well-known/openid-configuration": discovery, "/keys": keys}
        document = found.get(environ["PATH_INFO"])
        start_response("200 OK" if document else "404 Not Found", [])
        return [json.dumps(document).encode()]


@pytest.fixture
def elsewhere() -> Iterator[Elsewhere]:
    """An issuer that answers on loopback."""
    issuer = Elsewhere()
    with Live(issuer) as live:
        issuer.url = live.url
        yield issuer


@pytest.fixture
def other_worker(app: Flask, tmp_path: Path) -> Iterator[FlaskClient]:
    """Another process on the same database."""
    app = build(make_settings(tmp_path))
    with closing(app.extensions[EXTENSION]):
        yield app.test_client()


def token(guest: RawGuest, mint: Mint, **claims: Any) -> str:
    """A token of the issuer for a guest."""
    now = int(time.time())
    times = {"iat": now, "nbf": now, "exp": now + 300}
    return mint.sign({**ear_claims(guest.key, iss=ISS), **times, **claims})


def code(guest: RawGuest, mint: Mint, **claims: Any) -> str:
    """What the guest is told; where its token is believed, that there is no such secret."""
    return str(guest.resource(token=token(guest, mint, **claims)).json["code"])


def added(client: FlaskClient, owner: dict[str, str], elsewhere: Elsewhere, **members: Any) -> Any:
    """The answer to adding the issuer by its address, as it was shown."""
    body = {"name": "elsewhere", "url": elsewhere.url, "thumbprints": [elsewhere.mint.key_id]}
    return client.post("/api/v1/issuers", json=body | members, headers=owner)


UNTRUSTED = "token-issuer-untrusted"
BELIEVED = "resource-not-found"


def test_only_owners_decide_whom_to_trust(
    client: FlaskClient, admin: AdminKey, elsewhere: Elsewhere
) -> None:
    """An auditor sees issuers, and nobody else decides or makes the server ask an address."""
    assert client.get("/api/v1/issuers").status_code == 401
    assert client.get("/api/v1/issuers", headers=admin.headers("viewer")).status_code == 403
    auditor = admin.headers("auditor")
    assert client.get("/api/v1/issuers", headers=auditor).status_code == 200
    assert added(client, auditor, elsewhere).status_code == 403
    for path in ("issuer-discovery", "issuers/elsewhere/disable"):
        answer = client.post(f"/api/v1/{path}", json={"url": elsewhere.url}, headers=auditor)
        assert answer.status_code == 403
    assert elsewhere.asked == []


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "no source": ({"name": "x", "issuer": ISS}, "malformed-request"),
    "two sources": ({"url": "https://x.example", "certificates": "x"}, "malformed-request"),
    "an unknown member": ({"certificates": "x", "trust": True}, "malformed-request"),
    "no certificate": ({"certificates": "no PEM"}, "issuer-unusable"),
    "no key set": ({"key_set": {"keys": "x"}}, "issuer-unusable"),
    "no usable key": ({"key_set": {"keys": [{"kty": "oct", "k": "AA"}]}}, "issuer-unusable"),
    "plain http": ({"url": "http://far.example"}, "issuer-unusable"),
    "another scheme": ({"url": "file:///etc/passwd"}, "issuer-unusable"),
    "credentials": ({"url": "https://u:p@x.example"}, "issuer-unusable"),
    "a bad authority": ({"url": "https://x.example", "tls_ca": "junk"}, "issuer-unusable"),
    "an authority that is not ASCII": (
        {"url": "https://x.example", "tls_ca": "-----BEGIN \u00e5\x00"},
        "issuer-unusable",
    ),
    "a number": ({"url": 1}, "malformed-request"),
    "a bad list": ({"key_set": {}, "algorithms": "ES256"}, "malformed-request"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_could_never_vouch_is_refused(
    client: FlaskClient,
    owner: dict[str, str],
    row_counts: Callable[[], dict[str, int]],
    name: str,
) -> None:
    """With a reason code, and nothing is written."""
    before = row_counts()
    body, expected = BAD[name]
    answer = client.post("/api/v1/issuers", json={"name": "x", "issuer": ISS} | body, headers=owner)
    assert (answer.status_code, answer.json["code"]) == (400, expected)
    assert row_counts() == before


@pytest.mark.parametrize(
    "members",
    [
        {"name": ""},
        {"name": "a/b"},
        {"name": ".."},
        {"issuer": ""},
        {"algorithms": ["HS256"]},
        {"algorithms": ["none"]},
        {"leeway_seconds": 601},
        {"leeway_seconds": True},
        {"tee_key_paths": ["no pointer"]},
    ],
)
def test_requirements_that_cannot_be_are_refused(
    client: FlaskClient, owner: dict[str, str], members: dict[str, Any]
) -> None:
    """No symmetric algorithm, no endless leeway, no name that is a path."""
    body = {"name": "x", "issuer": ISS, "key_set": {"keys": [Mint().jwk()]}}
    answer = client.post("/api/v1/issuers", json=body | members, headers=owner)
    assert (answer.status_code, answer.json["code"]) == (400, "malformed-request")


def test_keys_that_were_not_confirmed_are_not_trusted(
    client: FlaskClient, owner: dict[str, str], elsewhere: Elsewhere
) -> None:
    """Nor when they changed between the look and the word."""
    for thumbprints in ([], [Mint().key_id], [elsewhere.mint.key_id, Mint().key_id]):
        answer = added(client, owner, elsewhere, thumbprints=thumbprints)
        assert answer.status_code == 409
    assert added(client, owner, elsewhere, issuer="https://other.example").status_code == 409
    assert len(client.get("/api/v1/issuers", headers=owner).json) == 1


def test_a_redirect_is_not_followed(
    client: FlaskClient, owner: dict[str, str], elsewhere: Elsewhere
) -> None:
    """Whoever answers at an address cannot send the server to another."""
    inside = Elsewhere()
    with Live(inside) as live:
        elsewhere.redirects = f"{live.url}/keys"
        answer = client.post("/api/v1/issuer-discovery", json={"url": elsewhere.url}, headers=owner)
    assert (answer.status_code, answer.json["code"]) == (400, "issuer-unusable")
    assert inside.asked == []


def test_names_and_isses_are_taken_once(
    client: FlaskClient, owner: dict[str, str], elsewhere: Elsewhere, services: Services
) -> None:
    """Neither an added issuer nor one of the settings can be overwritten."""
    assert added(client, owner, elsewhere).status_code == 200
    builtin = services.posture.token_issuer
    keys = {"key_set": {"keys": [Mint().jwk()]}}
    for body in (
        {"name": "elsewhere", "issuer": "https://new.example"},
        {"name": "new", "issuer": ISS},
        {"name": "builtin", "issuer": "https://new.example"},
        {"name": "new", "issuer": builtin},
    ):
        answer = client.post("/api/v1/issuers", json=body | keys, headers=owner)
        assert (answer.status_code, answer.json["code"]) == (409, "conflict")


def test_issuers_of_the_settings_are_not_changed_here(
    client: FlaskClient, owner: dict[str, str]
) -> None:
    """And what is not there is told."""
    for path, status in (("builtin", 409), ("nobody", 404)):
        for change in ("enable", "disable"):
            answer = client.post(f"/api/v1/issuers/{path}/{change}", headers=owner)
            assert answer.status_code == status
        assert client.delete(f"/api/v1/issuers/{path}", headers=owner).status_code == status


def test_every_worker_believes_at_its_next_request(
    client: FlaskClient,
    other_worker: FlaskClient,
    owner: dict[str, str],
    elsewhere: Elsewhere,
) -> None:
    """And believes no longer, and again, and forgets."""
    guests = [RawGuest(client), RawGuest(other_worker)]
    expected = [UNTRUSTED, BELIEVED, UNTRUSTED, BELIEVED, UNTRUSTED]
    changes: list[Callable[[], Any]] = [
        lambda: None,
        lambda: added(client, owner, elsewhere),
        lambda: client.post("/api/v1/issuers/elsewhere/disable", headers=owner),
        lambda: client.post("/api/v1/issuers/elsewhere/enable", headers=owner),
        lambda: client.delete("/api/v1/issuers/elsewhere", headers=owner),
    ]
    for change, answer in zip(changes, expected, strict=True):
        change()
        assert [code(guest, elsewhere.mint) for guest in guests] == [answer, answer]
    # A change of whom to trust does not make the server ask again for keys that it has.
    assert elsewhere.asked.count("/keys") <= 4


def test_by_key_set_and_by_authority(
    client: FlaskClient, owner: dict[str, str], guest: RawGuest
) -> None:
    """A pasted set verifies, its private members are not kept; a chain leads to an authority."""
    mint = Mint()
    private = mint.key.as_dict(private=True) | {"kid": mint.key_id}
    body = {"name": "pasted", "issuer": ISS, "key_set": {"keys": [private]}}
    assert client.post("/api/v1/issuers", json=body, headers=owner).status_code == 200
    shown = client.get("/api/v1/issuers/pasted", headers=owner)
    assert shown.json["keys"][0]["thumbprint"] == mint.key_id
    assert code(guest, mint) == BELIEVED
    assert code(guest, Mint()) == "token-key-unknown"

    now = {"not_before": _now(-1), "not_after": _now(1)}
    authority, signer = Authority.make(**now), Mint()
    leaf = authority.vouch(signer, **now)
    signer.header = {"jwk": signer.jwk(x5c=x5c(leaf, authority.certificate)), "kid": None}
    pem = authority.certificate.public_bytes(Encoding.PEM).decode()
    body = {"name": "chained", "issuer": "https://ca.example", "certificates": pem}
    assert client.post("/api/v1/issuers", json=body, headers=owner).status_code == 200
    assert code(guest, signer, iss="https://ca.example") == BELIEVED
    lines = client.get("/api/v1/certificates", headers=owner).json
    assert ("issuer chained", "expiring") in {(line["purpose"], line["state"]) for line in lines}
    # Names are written in names, not in object identifiers.
    subjects = [line["subject"] for line in lines if line["purpose"].startswith("signing key")]
    assert {each.partition("=")[0] for each in subjects} == {"serialNumber"}


def test_what_is_pasted_leaves_no_private_key_in_the_database(
    client: FlaskClient, owner: dict[str, str], tmp_path: Path
) -> None:
    """Whoever pastes too much is not made to regret it."""
    mint = Mint()
    private = mint.key.as_dict(private=True)
    body = {"name": "pasted", "issuer": ISS, "key_set": {"keys": [private]}}
    assert client.post("/api/v1/issuers", json=body, headers=owner).status_code == 200
    stored = b"".join(path.read_bytes() for path in tmp_path.glob("vouchgate.db*"))
    assert private["x"].encode() in stored
    assert private["d"].encode() not in stored


def test_changes_are_audited_by_digest(
    client: FlaskClient, owner: dict[str, str], elsewhere: Elsewhere
) -> None:
    """Who, what, and the digest of what was believed before and after."""
    added(client, owner, elsewhere)
    client.post("/api/v1/issuers/elsewhere/disable", headers=owner)
    client.delete("/api/v1/issuers/elsewhere", headers=owner)
    records = client.get("/api/v1/audit?subject=elsewhere", headers=owner).json
    entries = [record["entry"] for record in records]
    assert [entry["action"].rpartition(":")[2] for entry in entries] == ["remove", "disable", "add"]
    assert entries[0]["before"] == entries[1]["after"]
    assert entries[1]["before"] == entries[2]["after"]
    assert entries[0]["after"] is entries[2]["before"] is None


def test_a_token_is_checked_against_one_issuer(
    client: FlaskClient, owner: dict[str, str], elsewhere: Elsewhere, guest: RawGuest
) -> None:
    """One of another issuer is refused, though it is trusted as well."""
    added(client, owner, elsewhere, audience="https://kbs.example")

    def check(name: str, text: str) -> Any:
        path = f"/api/v1/issuers/{name}/check"
        return client.post(path, json={"token": text}, headers=owner).json

    refused = check("elsewhere", token(guest, elsewhere.mint))
    assert (refused["verified"], refused["code"]) == (False, "token-audience-mismatch")
    assert [each["state"] for each in refused["checks"]] == ["met"] * 5 + ["failed"]
    good = token(guest, elsewhere.mint, aud="https://kbs.example")
    assert check("elsewhere", good)["verified"] is True
    assert check("builtin", good)["code"] == UNTRUSTED
    assert check("nobody", good)["code"] == "issuer-not-found"


def test_the_pages_show_ask_and_trust(
    console: Callable[..., Console], elsewhere: Elsewhere, guest: RawGuest
) -> None:
    """Look, compare, confirm; then the page says what a token needs, and checks one."""
    owner = console(Role.OWNER)
    assert "begins with https" in owner.post("/trust/issuers/new", url="http://far.example").text
    shown = owner.post("/trust/issuers/new", url=elsewhere.url)
    assert elsewhere.mint.key_id in shown.text
    assert owner.get("/trust").text.count("elsewhere") == 0
    form = {
        "url": elsewhere.url,
        "thumbprints": elsewhere.mint.key_id,
        "name": "else where",
        "issuer": ISS,
        "algorithms": "ES256",
        "leeway_seconds": "60",
    }
    again = owner.post("/trust/issuers/confirm", **form)
    assert again.status_code == 400
    assert "begins with no sign" in again.text
    assert owner.post("/trust/issuers/confirm", **form | {"name": "elsewhere"}).status_code == 303
    assert ISS in owner.get("/trust").text
    text = token(guest, elsewhere.mint)
    page = owner.post("/trust/issuers/elsewhere", token=text)
    assert "This token verifies" in page.text
    assert text not in page.text
    assert "Remove elsewhere?" in owner.get("/trust/issuers/elsewhere/remove").text
    assert owner.post("/trust/issuers/elsewhere/disable").status_code == 303
    assert "disabled" in owner.get("/trust/issuers/elsewhere").text
    assert owner.post("/trust/issuers/elsewhere/enable").status_code == 303
    assert owner.post("/trust/issuers/elsewhere/remove").status_code == 303
    assert owner.get("/trust/issuers/elsewhere").status_code == 404


def test_key_sets_and_authorities_are_pasted_on_pages(console: Callable[..., Console]) -> None:
    """What is wrong stands at the form, and what was typed is still there."""
    owner = console(Role.OWNER)
    page = owner.post(
        "/trust/issuers/new?by=keys", name="p", issuer=ISS, key_set="{", leeway_seconds="1"
    )
    assert page.status_code == 400
    assert "no JSON" in page.text
    keys = json.dumps({"keys": [Mint().jwk()]})
    form = {"name": "p", "issuer": ISS, "algorithms": "ES256", "leeway_seconds": "1"}
    assert owner.post("/trust/issuers/new?by=keys", key_set=keys, **form).status_code == 303
    page = owner.post("/trust/issuers/new?by=authority", certificates="x", **form | {"name": "q"})
    assert "no PEM" in page.text
    assert "token authority" in owner.get("/trust/certificates").text


def _now(days: int) -> datetime:
    return datetime.now(UTC) + timedelta(days=days)
