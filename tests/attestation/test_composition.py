"""From evidence to what policies see."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from app.attestation.composition import annotate, bind, name_environments
from app.attestation.evidence import Claims
from app.trust.appraiser import EvidenceItem
from app.trust.errors import MalformedInitDataError, MalformedRequestError
from guest.wire.runtime_data import runtime_data_digest

RUNTIME = {"nonce": "n", "tee-pubkey": {"kty": "EC"}, "additional-evidence": "{}"}
INIT_DATA = """version = "0.1.0"
algorithm = "sha384"
[data]
"aa.toml" = "[token_configs]\\nurl = 'https://as.example'"
"cdh.toml" = "not = = toml"
"policy.rego" = '''package agent_policy
default A := true
policy_data := {
  "containers": [{"OCI": {}}]
}
'''
"other" = "text"
"""


def item(**members: Any) -> EvidenceItem:
    """Evidence of an SNP guest."""
    return EvidenceItem(**{"tee": "snp", "unverified_evidence": {}, **members})


@pytest.mark.parametrize("text", ["", "not toml =", 'version = "1"', INIT_DATA * 2])
def test_refuses_init_data_that_do_not_parse(text: str) -> None:
    """What is not understood is not bound either."""
    with pytest.raises(MalformedInitDataError):
        bind(item(init_data_toml=text), verbose=True)


def test_refuses_runtime_data_without_a_canonical_form() -> None:
    """Guest and server could hash different bytes."""
    with pytest.raises(MalformedRequestError):
        bind(item(runtime_data={"nonce": 2**60}), verbose=True)


def test_binds_to_the_digest_of_the_runtime_data() -> None:
    """SHA-384, SHA-512 for IBM Secure Execution, or what the caller names (wire.md 2.6)."""
    for members, algorithm in (
        ({}, "sha384"),
        ({"tee": "se"}, "sha512"),
        ({"hash_algorithm": "sha256"}, "sha256"),
    ):
        bound = bind(item(runtime_data=RUNTIME, **members), verbose=True)
        assert bound.binding.report_data == runtime_data_digest(RUNTIME, algorithm)
        assert bound.runtime_claims == RUNTIME


def test_raw_runtime_data_are_taken_as_they_are() -> None:
    """They are expected in the evidence, not hashed, and nothing is claimed of them."""
    bound = bind(item(raw_runtime_data=b"raw"), verbose=True)
    assert (bound.binding.report_data, bound.runtime_claims) == (b"raw", None)


def test_without_runtime_data_nothing_is_bound() -> None:
    """The verifier compares nothing, and the token will say so."""
    bound = bind(item(), verbose=True)
    assert (bound.binding.report_data, bound.binding.init_data) == (None, None)


def test_devices_can_be_left_out_of_the_claims_and_stay_bound() -> None:
    """``verbose`` shortens what is seen, not what is hashed."""
    bound = bind(item(runtime_data=RUNTIME), verbose=False)
    assert bound.runtime_claims == {"nonce": "n", "tee-pubkey": {"kty": "EC"}}
    assert bound.binding.report_data == runtime_data_digest(RUNTIME)


def test_init_data_are_bound_and_read() -> None:
    """TOML of the agents becomes JSON, the agent policy its data (wire.md 9.4)."""
    bound = bind(item(init_data_toml=INIT_DATA), verbose=True)
    assert bound.binding.init_data == hashlib.sha384(INIT_DATA.encode()).digest()
    assert bound.init_claims == {
        "aa.toml": {"token_configs": {"url": "https://as.example"}},
        "cdh.toml": "not = = toml",
        "agent_policy_claims": {"containers": [{"OCI": {}}]},
        "other": "text",
    }


@pytest.mark.parametrize(
    "policy",
    [
        "package agent_policy",
        "policy_data := {",
        'policy_data := {"a": 1} more',
        'policy_data := {"a": 1, "a": 2}',
        "policy_data := " + '{"a":' * 100 + "1" + "}" * 100,
    ],
)
def test_an_agent_policy_of_another_form_stays_text(policy: str) -> None:
    """Only one JSON document up to the end of the file is data."""
    text = f"version='1'\nalgorithm='sha256'\n[data]\n'policy.rego'='''{policy}'''"
    assert bind(item(init_data_toml=text), verbose=True).init_claims == {"policy.rego": policy}


@pytest.mark.parametrize("value", ["1979-05-27T07:32:00Z", "nan", "inf"])
def test_toml_that_json_cannot_say_stays_text(value: str) -> None:
    """The input of a policy is JSON."""
    text = f"version='1'\nalgorithm='sha256'\n[data]\n'aa.toml'='a = {value}'"
    assert bind(item(init_data_toml=text), verbose=True).init_claims == {"aa.toml": f"a = {value}"}


def test_a_digest_of_init_data_is_bound_and_says_nothing() -> None:
    """Whoever gives only a digest has no claims to show."""
    bound = bind(item(init_data_digest=b"d" * 32), verbose=True)
    assert (bound.binding.init_data, bound.init_claims) == (b"d" * 32, None)


def test_what_was_hashed_stands_beside_its_field() -> None:
    """Report data and init data move to the top; the rest is under the TEE's name."""
    bound = bind(item(runtime_data=RUNTIME, init_data_toml=INIT_DATA), verbose=True)
    claims = {"report_data": "aa", "init_data": "bb", "measurement": "cc"}
    assert annotate("snp", bound, claims) == {
        "report_data": "aa",
        "runtime_data_claims": RUNTIME,
        "init_data": "bb",
        "init_data_claims": bound.init_claims,
        "snp": {"measurement": "cc"},
    }
    assert claims == {"report_data": "aa", "init_data": "bb", "measurement": "cc"}


def test_claims_without_the_fields_have_nothing_beside_them() -> None:
    """Evidence of some devices has no report data of its own."""
    assert annotate("nvidia", bind(item(), verbose=True), {"arch": "HOPPER"}) == {
        "nvidia": {"arch": "HOPPER"}
    }


def test_environments_are_named_by_class_and_index() -> None:
    """In the order of the evidence, each class counted from zero (wire.md 9.5)."""
    bound = bind(item(), verbose=True)
    verified = [
        (tee, bound, Claims(tee_class, {}))
        for tee, tee_class in (
            ("snp", "cpu"),
            ("nvidia", "gpu"),
            ("nvidia", "switch"),
            ("nvidia", "gpu"),
        )
    ]
    names = [environment.name for environment in name_environments(verified)]
    assert names == ["cpu0", "gpu0", "switch0", "gpu1"]
