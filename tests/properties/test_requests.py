"""Whatever stands in paths, queries, headers and bodies, the answer is a reason and never a fault.

Bodies here are right but for one place, so that what lies behind the first check is met, too.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote_from_bytes

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from raw_guest import RawGuest
from servers import SAMPLE_VALUES, AdminKey

from guest.wire.encoding import b64_encode, b64url_encode

anything = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=40)
    | st.sampled_from(["", "AAAA", "sample", "snp", "EC", "sha384", "\x00", "\ud7ff", "🗝"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=6,
)
# What an HTTP server lets through in a header: visible Latin-1 and spaces.
header_text = st.text(
    st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=200
)
path_bytes = st.binary(max_size=60) | st.lists(
    st.sampled_from([b"a", b"..", b".", b"/", b"//", b"%", b"%2e", b"\x00", b"\xff", b"\n", b"?"]),
    max_size=12,
).map(b"".join)


@pytest.fixture(scope="module")
def owner(prepared: tuple[Any, AdminKey]) -> dict[str, str]:
    """Headers of an operator who may do everything."""
    return prepared[1].headers()


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every node of a JSON value, the value itself left out."""
    members = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in members:
        yield (*path, key)
        if isinstance(inner, dict | list):
            yield from places(inner, (*path, key))


def bent(body: Any, place: tuple[Any, ...], value: Any) -> Any:
    """A copy of the body with another value in one place."""
    changed = copy.deepcopy(body)
    node = changed
    for key in place[:-1]:
        node = node[key]
    node[place[-1]] = value
    return changed


def without(body: Any, place: tuple[Any, ...]) -> Any:
    """A copy of the body that lacks a place."""
    changed = copy.deepcopy(body)
    node = changed
    for key in place[:-1]:
        node = node[key]
    del node[place[-1]]
    return changed


def refused_or_served(response: Any) -> None:
    """No fault of ours; and who is refused hears why."""
    assert response.status_code < 500, response.data
    if response.status_code >= 400:
        assert response.headers["Vouchgate-Reason"]


def rego(text: str) -> str:
    """A policy as it travels."""
    return b64url_encode(text.encode())


def bodies(guest: RawGuest) -> dict[str, Any]:
    """A right body for every endpoint that takes one."""
    extra = {"supported-hash-algorithms": ["sha384"]}
    init_data = 'version = "0.1.0"\nalgorithm = "sha384"\n[data]\n"a" = "b"\n'
    attestation = guest.attestation(guest.nonce())
    attestation["init-data"] = {"format": "toml", "body": init_data}
    evaluation = guest.evaluation(guest.as_nonce())
    evaluation["policy_ids"] = ["default"]
    evaluation["verification_requests"][0]["init_data"] = {"init_data_toml": init_data}
    message = {
        "version": "0.1.0",
        "type": "sample",
        "payload": b64_encode(json.dumps(SAMPLE_VALUES).encode()),
    }
    policy = rego('package policy\ntrust_claims := {"hardware": 2}\n')
    return {
        "/kbs/v0/auth": {"version": "0.4.0", "tee": "sample", "extra-params": extra},
        "/kbs/v0/attest": attestation,
        "/challenge": {"tee": "sample", "tee_params": ""},
        "/attestation": evaluation,
        "/reference-value": message,
        "/kbs/v0/reference-value": message,
        "/policy": {"policy_id": "bent_cpu", "policy": policy},
        "/kbs/v0/attestation-policy": {"policy_id": "bent_cpu", "policy": policy},
        "/kbs/v0/resource-policy": {"policy": rego("package policy\nallow := false\n")},
    }


ENDPOINTS = [
    "/kbs/v0/auth",
    "/kbs/v0/attest",
    "/challenge",
    "/attestation",
    "/reference-value",
    "/kbs/v0/reference-value",
    "/policy",
    "/kbs/v0/attestation-policy",
    "/kbs/v0/resource-policy",
]


@pytest.mark.parametrize("path", ENDPOINTS)
def test_one_wrong_place_is_refused(served: Flask, owner: dict[str, str], path: str) -> None:
    """Each member of a right body in turn becomes anything, or is left out."""
    guest = RawGuest(served.test_client())
    body = bodies(guest)[path]

    @anything
    @given(place=st.sampled_from(list(places(body))), value=json_values)
    def holds(place: tuple[Any, ...], value: Any) -> None:
        changed = json.dumps(bent(body, place, value))
        refused_or_served(guest.client.post(path, data=changed, headers=owner))

    holds()
    for place in places(body):
        shortened = json.dumps(without(body, place))
        refused_or_served(guest.client.post(path, data=shortened, headers=owner))


@pytest.mark.parametrize("path", ENDPOINTS)
def test_a_body_cut_anywhere_is_refused(served: Flask, owner: dict[str, str], path: str) -> None:
    """A connection that breaks leaves nothing half done."""
    guest = RawGuest(served.test_client())
    whole = json.dumps(bodies(guest)[path]).encode()
    for length in range(0, len(whole), max(1, len(whole) // 40)):
        response = guest.client.post(path, data=whole[:length], headers=owner)
        assert response.status_code == 400
        assert response.headers["Vouchgate-Reason"] == "malformed-request"


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"])
@pytest.mark.parametrize(
    "prefix",
    [
        "/kbs/v0/resource/",
        "/kbs/v0/reference-value/",
        "/kbs/v0/",
        "/policy/",
        "/reference-value/",
        "/api/v1/decisions/",
        "/api/v1/secrets/",
        "/console/decisions/",
        "/static/",
        "/",
    ],
)
def test_paths_of_any_bytes(served: Flask, owner: dict[str, str], prefix: str, method: str) -> None:
    """Percent-encoded or not, with dots, slashes, NULs and broken UTF-8."""
    client = served.test_client()

    @settings(anything, max_examples=15)
    @given(rest=path_bytes)
    def holds(rest: bytes) -> None:
        # Two slashes in front would be a host to the client.
        path = prefix + quote_from_bytes(rest, safe="/").lstrip("/")
        refused_or_served(client.open(path, method=method, data=b"{}", headers=owner))

    holds()


@pytest.mark.parametrize("path", ["/kbs/v0/resource/a/b/c", "/api/v1/decisions", "/api/v1/audit"])
@anything
@given(query=path_bytes, name=st.sampled_from(["limit", "before", "kind", "after", "subject", "x"]))
def test_queries_of_any_bytes(
    served: Flask, owner: dict[str, str], path: str, query: bytes, name: str
) -> None:
    """Filters and what policies see as ``data.query``."""
    url = f"{path}?{name}={quote_from_bytes(query)}&{quote_from_bytes(query, safe='&=%')}"
    refused_or_served(served.test_client().get(url, headers=owner))


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/kbs/v0/resource/a/b/c", "Authorization"),
        ("/api/v1/decisions", "Authorization"),
        ("/kbs/v0/resource/a/b/c", "Cookie"),
        ("/console/", "Cookie"),
        ("/challenge", "Accept"),
        ("/console/sign-in", "Accept-Language"),
    ],
)
@anything
@given(text=header_text)
def test_headers_of_any_text(served: Flask, path: str, name: str, text: str) -> None:
    """Credentials that nobody issued, and preferences that nobody has."""
    method = "POST" if path == "/challenge" else "GET"
    texts = {
        "Authorization": [text, f"Bearer {text}"],
        "Cookie": [text, f"kbs-session-id={text}", f"vouchgate-console={text}"],
    }
    for value in texts.get(name, [text]):
        client = served.test_client(use_cookies=False)
        response = client.open(
            path, method=method, data=b'{"tee":"sample"}', headers={name: value.strip()}
        )
        refused_or_served(response)
        if name in texts:
            assert response.status_code != 200
