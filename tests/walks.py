"""Every operation of the published interface once as it is meant, part by part."""

from __future__ import annotations

from typing import Any

from collateral_site import CRL
from interface import Caller
from minting import Mint
from raw_guest import attestation_body, evaluation_body, new_key, public_key
from servers import SAMPLE_VALUES

from guest.wire.encoding import b64_encode, b64url_encode

TRUSTED_ISSUER = "https://elsewhere.example"


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
            sent_as = binary if isinstance(body, bytes) else "application/json"
            request.setdefault("media_type", sent_as)
        headers = request.pop("headers", {})
        caller = self._callers[name]
        response = caller.call(caller.operation(label).Case(**request), **headers)
        assert response.status_code == 200, response.content
        self.succeeded.add(label)
        return response

    def operate(self, label: str, **request: Any) -> Any:
        """The same, by an operator."""
        return self.call(label, "an owner", **request)


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
    walk.operate("GET /api/v1/keys")
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


def keep_accounts(walk: Walk) -> None:
    """The life of an account and of a token by the REST API of operators."""
    for path in ("roles", "operators", "console-sessions", "api-tokens", "guest-files"):
        walk.operate(f"GET /api/v1/{path}")
    for name, role in (("olga", "owner"), ("otto", "viewer")):
        walk.operate("POST /api/v1/operators", body={"name": name, "role": role})
    walk.operate("POST /api/v1/operators/role", body={"name": "otto", "role": "auditor"})
    for action in ("reset", "disable", "enable"):
        walk.operate(f"POST /api/v1/operators/{action}", body={"name": "otto"})
    draft = {"label": "a script", "role": "viewer", "days": 1}
    made = walk.operate("POST /api/v1/api-tokens", body=draft).json()
    named = {"token_id": made["token_id"]}
    walk.operate("DELETE /api/v1/api-tokens/{token_id}", path_parameters=named)


def keep_own_account(walk: Walk, token: str) -> None:
    """What a program does for the account that made its token; the last call ends the token."""
    mine = {"Authorization": f"Bearer {token}"}
    base = "/api/v1/account"
    token_id = walk.call(f"GET {base}", headers=mine).json()["token_id"]
    (session, *_) = walk.call(f"GET {base}/sessions", headers=mine).json()
    named = {"handle": session["handle"]}
    walk.call(f"DELETE {base}/sessions/{{handle}}", headers=mine, path_parameters=named)
    walk.call(f"DELETE {base}/sessions", headers=mine)
    walk.call(f"GET {base}/api-tokens", headers=mine)
    named = {"token_id": token_id}
    walk.call(f"DELETE {base}/api-tokens/{{token_id}}", headers=mine, path_parameters=named)


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
    for path in ("/audit.csv", "/audit.jsonl", "/audit/chain", "/decisions/export"):
        walk.operate(f"GET /api/v1{path}")
    for path in ("/settings", "/overview"):
        walk.operate(f"GET /api/v1{path}")
    for record in walk.operate("GET /api/v1/decisions").json():
        named = {"decision_id": record["decision_id"]}
        walk.operate("GET /api/v1/decisions/{decision_id}", path_parameters=named)
        walk.operate("GET /api/v1/decisions/{decision_id}/why", path_parameters=named)
        replay = "POST /api/v1/decisions/{decision_id}/replay"
        assert walk.operate(replay, path_parameters=named).json()["same"]


def propose(walk: Walk) -> None:
    """A proposal that is revised and withdrawn, one that is rejected, one that is approved."""
    path = "/api/v1/proposals"
    one = f"{path}/{{proposal_id}}"
    change = {"kind": "reference-values", "register": [{"name": "walked", "value": ["3"]}]}
    for verb in ("withdraw", "reject", "approve"):
        proposal = walk.operate(f"POST {path}", body={"change": change}).json()
        named = {"proposal_id": proposal["proposal_id"]}
        read = walk.operate(f"GET {one}", path_parameters=named).json()
        revision = read["revision"]
        run = f"{one}/dry-run"
        walk.operate(f"POST {run}", path_parameters=named, body={"last": 10})
        walk.operate(f"GET {run}", path_parameters=named)
        walk.operate(f"DELETE {run}", path_parameters=named)
        revised = {"change": change, "revision": revision}
        walk.operate(f"PUT {one}", path_parameters=named, body=revised)
        verdict = {"revision": revision + 1}
        walk.operate(f"POST {one}/{verb}", path_parameters=named, body=verdict)
    walk.operate(f"GET {path}")


def keep_policies(walk: Walk) -> None:
    """A policy of a scope with its example, from the first version to its end."""
    for path in ("policies", "policy-templates"):
        walk.operate(f"GET /api/v1/{path}")
    one = "/api/v1/policies/{kind}/{policy_id}"
    named = {"kind": "resource", "policy_id": "scope:resource:walked"}
    text = "package policy\n\nallow := true\n"
    walk.operate(f"POST {one}/check", path_parameters=named, body={"text": text})
    for version in range(2):
        body = {"text": f"# {version}\n{text}", "based_on": version}
        walk.operate(f"PUT {one}", path_parameters=named, body=body)
    walk.operate(f"GET {one}", path_parameters=named)
    compared = {**named, "old": 1, "new": 2}
    walk.operate(f"GET {one}/versions/{{old}}/compare/{{new}}", path_parameters=compared)
    back = {"version": 1, "based_on": 2}
    walk.operate(f"POST {one}/roll-back", path_parameters=named, body=back)
    asked = {"plugin": "resource", "resource-path": ["walked", "a", "b"], "query": {}}
    example = {"input": {}, "data": asked, "expected": {"outcome": "allowed"}, "revision": 0}
    kept = {**named, "name": "anybody"}
    walk.operate(f"PUT {one}/examples/{{name}}", path_parameters=kept, body=example)
    of_releases = {"kind": "release", "outcome": "allowed"}
    (release, *_) = walk.operate("GET /api/v1/decisions", query=of_releases).json()
    seen = {"decision_id": release["decision_id"]}
    decided = {**named, "policy_id": "resource-policy"}
    walk.operate(f"POST {one}/examples/from-decision", path_parameters=decided, body=seen)
    walk.operate(f"GET {one}/examples", path_parameters=named)
    walk.operate(f"POST {one}/examples/run", path_parameters=named, body={})
    walk.operate(f"DELETE {one}/examples/{{name}}", path_parameters=kept)
    walk.operate(f"DELETE {one}", path_parameters=named, query={"based_on": 3})


def keep_collateral(walk: Walk) -> None:
    """How documents of vendors stand, asking for them, and a bundle out and in."""
    path = "/api/v1/collateral"
    walk.operate(f"GET {path}")
    walk.operate(f"POST {path}/refresh", body={"names": [CRL]})
    walk.operate(f"POST {path}/test", body={"name": CRL})
    bundle = walk.operate(f"GET {path}/bundle").text
    walk.operate(f"POST {path}/bundle", body=bundle, media_type="application/jose")


def trust(walk: Walk) -> None:
    """An issuer that is added by its key set, and what it stands on."""
    path = "/api/v1/issuers"
    mint = Mint()
    body = {"name": "walked", "issuer": TRUSTED_ISSUER, "key_set": {"keys": [mint.jwk()]}}
    walk.operate(f"POST {path}", body=body)
    walk.operate(f"GET {path}")
    named = {"name": "walked"}
    walk.operate(f"GET {path}/{{name}}", path_parameters=named)
    token = {"token": mint.sign({"iss": TRUSTED_ISSUER})}
    walk.operate(f"POST {path}/{{name}}/check", path_parameters=named, body=token)
    for change in ("disable", "enable"):
        walk.operate(f"POST {path}/{{name}}/{change}", path_parameters=named)
    walk.operate(f"DELETE {path}/{{name}}", path_parameters=named)
    walk.operate("GET /api/v1/certificates")


def inspect(walk: Walk, token: str) -> None:
    """What can be pasted into the inspector, and init data that are composed."""
    path = "/api/v1/inspect"
    walk.operate(f"POST {path}/token", body={"token": token})
    walk.operate(f"POST {path}/evidence", body={"evidence": "{}", "tee": "sample"})
    composed = walk.operate("POST /api/v1/init-data", body={}).json()
    walk.operate(f"POST {path}/init-data", body={"init_data": composed["toml"]})
    walk.operate(f"POST {path}/uri", body={"uri": "kbs:///default/demo/secret"})
