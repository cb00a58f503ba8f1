"""The published interface holds for every request that fits it, and for every one that does not."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from interface import OPERATIONS, Caller
from raw_guest import PATH, attestation_body, evaluation_body, new_key, public_key
from schemathesis import Case, GenerationMode
from servers import SAMPLE_VALUES

from guest.wire.encoding import b64_encode, b64url_encode

EXAMPLES = 12
# Nothing in a path could be wrong that is any text; looking for it takes long.
TAKES_ANY_TEXT = re.compile(r"\{(name|policy_id)\}")

anything = settings(
    max_examples=EXAMPLES,
    database=None,
    deadline=None,
    # Requests are independent, so there is nothing to shrink that the first failure does not show.
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.parametrize("name", ["a stranger", "an owner"])
@pytest.mark.parametrize("label", OPERATIONS)
def test_every_boundary_holds(callers: dict[str, Caller], label: str, name: str) -> None:
    """Each limit of each schema, met and passed: never a 5xx, nothing undescribed."""
    caller = callers[name]
    operation = caller.operation(label)
    configured = caller.schema.config.generation_for(operation=operation)
    for case in caller.schema.iter_coverage_cases(
        operation, generation_modes=list(GenerationMode), generation_config=configured
    ):
        caller.call(case)


@pytest.mark.parametrize(
    ("label", "mode"),
    [
        (label, mode)
        for label in OPERATIONS
        for mode in GenerationMode
        if mode.is_positive or not TAKES_ANY_TEXT.search(label)
    ],
)
def test_requests_by_chance_hold(
    callers: dict[str, Caller], label: str, mode: GenerationMode
) -> None:
    """The same of requests that nobody thought of, by who gets furthest with them."""
    caller = callers["an owner" if OPERATIONS[label] else "a stranger"]

    @anything
    @given(case=caller.operation(label).as_strategy(generation_mode=mode))
    def holds(case: Case[Any]) -> None:
        caller.call(case)

    # Some operations take nothing that could be wrong.
    with suppress(Unsatisfiable):
        holds()


class Walk:
    """Every operation once as it is meant, and its answer compared with the interface."""

    def __init__(self, callers: dict[str, Caller]) -> None:
        self._callers = callers
        self.succeeded: set[str] = set()

    def call(self, label: str, name: str = "a stranger", **request: Any) -> Any:
        """A request that must succeed, and the answer."""
        body = request.get("body")
        if body is not None:
            binary = "application/octet-stream"
            request["media_type"] = binary if isinstance(body, bytes) else "application/json"
        headers = request.pop("headers", {})
        caller = self._callers[name]
        response = caller.call(caller.operation(label).Case(**request), **headers)
        assert response.status_code == 200, response.content
        self.succeeded.add(label)
        return response

    def operate(self, label: str, **request: Any) -> Any:
        """The same, by an operator."""
        return self.call(label, "an owner", **request)


def test_every_operation_answers_as_described(callers: dict[str, Caller]) -> None:
    """Every operation succeeds once, so that no description of success is empty."""
    walk = Walk(callers)
    resource = dict(zip(("repository", "type", "tag"), PATH.split("/"), strict=True))
    administer(walk, resource)
    token = attest(walk)
    bearer = {"Authorization": f"Bearer {token}"}
    walk.call(
        "GET /kbs/v0/resource/{repository}/{type}/{tag}", path_parameters=resource, headers=bearer
    )
    observe(walk)
    keep_secrets(walk, resource)
    keep_reference_values(walk)
    walk.operate("DELETE /kbs/v0/resource/{repository}/{type}/{tag}", path_parameters=resource)
    assert walk.succeeded == set(OPERATIONS)


def attest(walk: Walk) -> str:
    """Both models; the token of the passport."""
    begun = walk.call(
        "POST /kbs/v0/auth", body={"version": "0.4.0", "tee": "sample", "extra-params": {}}
    )
    name, _, cookie = begun.headers["set-cookie"][0].partition(";")[0].partition("=")
    body = attestation_body(begun.json()["nonce"], public_key(new_key()))
    walk.call("POST /kbs/v0/attest", body=body, cookies={name: cookie})
    challenge = {"tee": "sample", "tee_params": ""}
    as_json = {"Accept": "application/json"}
    issued = walk.call("POST /challenge", body=challenge, headers=as_json).json()
    walk.call("POST /challenge", body=challenge)
    evaluation = evaluation_body(issued["nonce"], public_key(new_key()))
    return str(walk.call("POST /attestation", body=evaluation).text)


def administer(walk: Walk, resource: dict[str, str]) -> None:
    """Write what guests need."""
    payload = b64_encode(b'{"fresh": ["value"]}')
    message = {"version": "0.1.0", "type": "sample", "payload": payload}
    attestation_policy = {
        "policy_id": "walk_cpu",
        "policy": b64url_encode(
            b'package policy\nimport rego.v1\ntrust_claims := {"hardware": 2}\n'
        ),
    }
    resource_policy = b64url_encode(b"package policy\nimport rego.v1\nallow := true\n")
    for prefix in ("", "/kbs/v0"):
        walk.operate(f"POST {prefix}/reference-value", body=message)
        name = next(iter(SAMPLE_VALUES))
        path = {"name": name}
        value = walk.operate(f"GET {prefix}/reference-value/{{name}}", path_parameters=path)
        assert value.json() == SAMPLE_VALUES[name]
    walk.operate("POST /policy", body=attestation_policy)
    walk.operate("POST /kbs/v0/attestation-policy", body=attestation_policy)
    walk.operate("POST /kbs/v0/resource-policy", body={"policy": resource_policy})
    walk.operate(
        "POST /kbs/v0/resource/{repository}/{type}/{tag}",
        path_parameters=resource,
        body=b"\x00a secret of bytes\xff",
    )
    walk.operate("POST /api/v1/keys/rotate")


def keep_reference_values(walk: Walk) -> None:
    """The life of a reference value by the REST API of operators."""
    base = "/api/v1/reference-values"
    walk.operate(f"POST {base}", body={"values": [{"name": "walked", "value": ["1"]}]})
    walk.operate(f"POST {base}/import", body={"walked": ["2"]})
    for path in (base, f"{base}/missing"):
        walk.operate(f"GET {path}")
    walk.operate(f"GET {base}/history", query={"name": "walked"})
    walk.operate(f"DELETE {base}", query={"name": "walked"})
    walk.operate(f"DELETE {base}", query={"name": "svn"})
    of_appraisals = {"kind": "appraisal", "outcome": "allowed"}
    (record, *_) = walk.operate("GET /api/v1/decisions", query=of_appraisals).json()
    seen = {"decision_id": record["decision_id"]}
    taking = "/api/v1/decisions/{decision_id}/reference-values"
    walk.operate(f"GET {taking}", path_parameters=seen)
    walk.operate(f"POST {taking}", path_parameters=seen, body={"names": ["svn"]})


def keep_secrets(walk: Walk, resource: dict[str, str]) -> None:
    """The life of a secret by the REST API of operators."""
    one = "/api/v1/secrets/{repository}/{type}/{tag}"
    walk.operate(f"POST {one}/versions", path_parameters=resource, body=b"another secret")
    walk.operate(f"POST {one}/restore", path_parameters=resource, body={"version": 1})
    for path in ("/api/v1/secrets", "/api/v1/secrets/tree", "/api/v1/secrets/deleted"):
        walk.operate(f"GET {path}")
    for path in (one, f"{one}/who-got", f"{one}/who-may"):
        guests = walk.operate(f"GET {path}", path_parameters=resource).json()
    seen = {"decision_id": guests[0]["decision_id"]}
    walk.operate("GET /api/v1/decisions/{decision_id}/secrets", path_parameters=seen)
    doomed = {**resource, "tag": "doomed"}
    walk.operate(f"POST {one}/versions", path_parameters=doomed, body=b"short-lived")
    walk.operate(f"DELETE {one}", path_parameters=doomed)
    walk.operate("GET /api/v1/secrets/deleted")
    walk.operate(f"POST {one}/destroy", path_parameters=doomed)


def observe(walk: Walk) -> None:
    """Read everything that there is to read."""
    for path in ("/healthz", "/readyz", "/openapi.yaml", "/policy"):
        walk.call(f"GET {path}")
    walk.call("GET /.well-known/jwks.json")
    walk.call("GET /.well-known/openid-configuration")
    walk.call("GET /policy/{policy_id}", path_parameters={"policy_id": "default_cpu"})
    for path in ("/metrics", "/kbs/v0/resource-policy", "/api/v1/audit"):
        walk.operate(f"GET {path}")
    for path in ("/audit.csv", "/audit.jsonl", "/audit/chain", "/settings"):
        walk.operate(f"GET /api/v1{path}")
    for record in walk.operate("GET /api/v1/decisions").json():
        named = {"decision_id": record["decision_id"]}
        walk.operate("GET /api/v1/decisions/{decision_id}", path_parameters=named)
        replay = "POST /api/v1/decisions/{decision_id}/replay"
        assert walk.operate(replay, path_parameters=named).json()["same"]
