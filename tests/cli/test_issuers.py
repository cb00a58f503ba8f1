"""``vouchgate issuers``, ``inspect`` and ``init-data``."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from command_site import Site
from cryptography.hazmat.primitives.serialization import Encoding
from minting import Authority, Mint, ear_claims
from raw_guest import PATH

ISS = "https://elsewhere.example"


@pytest.fixture
def mint() -> Mint:
    """Who signs elsewhere."""
    return Mint()


@pytest.fixture
def keys_url(mint: Mint) -> Iterator[str]:
    """The address of its key set."""
    body = json.dumps({"keys": [mint.jwk()]}).encode()

    class Keys(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Nothing is logged."""

    server = HTTPServer(("127.0.0.1", 0), Keys)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/keys"
    server.shutdown()
    server.server_close()


def test_what_is_not_confirmed_or_not_there_is_refused(site: Site, keys_url: str) -> None:
    """Each with its reason code."""
    add = ("issuers", "add-address", "x", keys_url, "--issuer", ISS, "--thumbprint", "other")
    assert "conflict" in site.refuses(*add)
    assert "issuer-unusable" in site.refuses("issuers", "discover", "http://far.example")
    assert "issuer-unusable" in site.refuses(
        "issuers", "add-keys", "x", ISS, site.file("keys.json", "{")
    )
    for command in ("show", "enable", "disable", "remove"):
        assert "issuer-not-found" in site.refuses("issuers", command, "nobody")


def test_an_issuer_is_looked_at_trusted_and_forgotten(
    site: Site, mint: Mint, keys_url: str
) -> None:
    """By address; and a token is checked against it."""
    found = json.loads(site.does("issuers", "discover", keys_url))
    assert [key["thumbprint"] for key in found["keys"]] == [mint.key_id]
    add = ("issuers", "add-address", "x", keys_url, "--issuer", ISS, "--thumbprint", mint.key_id)
    assert json.loads(site.does(*add))["believed"] is True
    site.does("issuers", "disable", "x")
    assert f"x\t{ISS}\tnot believed\tconsole" in site.does("issuers", "list")
    site.does("issuers", "enable", "x")
    assert json.loads(site.does("issuers", "show", "x"))["keys"]
    token = site.file("token", mint.sign(ear_claims(None, iss=ISS)))
    for command in (("issuers", "check", "x", token), ("inspect", "token", token)):
        checked = site.run(*command)
        assert checked.exit_code == 1
        assert json.loads(checked.stdout)["code"] == "token-expired"
    site.does("issuers", "remove", "x")
    assert "builtin" in site.does("issuers", "list")


def test_issuers_are_trusted_by_key_set_and_by_authority(site: Site, mint: Mint) -> None:
    """The certificates of the second stand in the list of what expires."""
    keys = site.file("keys.json", json.dumps({"keys": [mint.jwk()]}))
    site.does("issuers", "add-keys", "k", ISS, keys, "--algorithm", "ES256", "--audience", "a")
    pem = Authority.make().certificate.public_bytes(Encoding.PEM)
    authority = site.file("ca.pem", pem)
    site.does("issuers", "add-authority", "a", "https://ca.example", authority)
    assert "issuer a" in site.does("issuers", "certificates")


def test_evidence_and_uris_are_inspected(site: Site) -> None:
    """What fails ends with exit status 1."""
    evidence = site.file("evidence.json", json.dumps({"svn": "1", "report_data": ""}))
    found = json.loads(site.does("inspect", "evidence", evidence, "--tee", "sample"))
    assert found["evidence"][0]["binding"] == "not checked"
    bad = site.run("inspect", "evidence", site.file("bad.json", "[1]"), "--tee", "sample")
    assert bad.exit_code == 1
    assert "malformed-request" in site.refuses("inspect", "evidence", evidence)
    uri = json.loads(site.does("inspect", "uri", site.file("uri", f"kbs:///{PATH}\n")))
    assert (uri["exists"], uri["policies"][0]["id"]) == (False, "resource-policy")


def test_init_data_are_composed_and_inspected(site: Site) -> None:
    """What one command prints, the other reads."""
    policy = site.file("policy.rego", "package agent_policy\n")
    compose = ("init-data", "compose", "--kbs-url", "https://kbs.example", "--agent-policy", policy)
    document = site.file("initdata.toml", site.does(*compose))
    report = json.loads(site.does(*compose, "--json"))
    assert report["files"]["policy.rego"] == "package agent_policy\n"
    inspected = json.loads(site.does("inspect", "init-data", document))
    assert inspected["digest"] == report["digest"]
    assert "malformed-init-data" in site.refuses("init-data", "compose", "--kbs-url", "x")
