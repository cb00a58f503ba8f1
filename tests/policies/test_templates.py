"""Ready policies: each compiles, warns of nothing, and does what its first line says."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from policy_engines import agreed

from app.attestation.policies import check_attestation_policy
from app.broker.scopes import GLOBAL_POLICY_ID, ScopedPolicy, decide
from app.console.policy_checks import warnings
from app.console.policy_templates import PolicyTemplate, policy_template, policy_templates
from app.trust.policies import PolicyKind
from app.trust.policy_engine import PolicyText
from app.trust.regorus_engine import RegorusEngine

ENGINE = RegorusEngine()
ATTESTATION, RESOURCE = PolicyKind.ATTESTATION, PolicyKind.RESOURCE
INTEL = {"tee_type": "81000000", "vendor_id": "939a7233f79c4ca9940a0db3957f0607"}
CURRENT = {"tcb_status": "UpToDate", "collateral_expiration_status": "0"}

# Each template: an input and reference values that it affirms in all three claims.
AFFIRMED: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "snp": (
        {
            "snp": {
                "reported_tcb_bootloader": 4,
                "reported_tcb_microcode": 72,
                "reported_tcb_snp": 15,
                "reported_tcb_tee": 0,
                "measurement": "aa",
                "policy_debug_allowed": False,
                "policy_migrate_ma": False,
            }
        },
        {
            "snp_bootloader": [4],
            "snp_microcode": [72],
            "snp_snp_svn": [15],
            "snp_tee_svn": [0],
            "snp_launch_measurement": ["aa"],
        },
    ),
    "tdx": (
        {
            "tdx": {
                **CURRENT,
                "quote": {
                    "header": INTEL,
                    "body": {"mr_td": "aa", "rtmr_1": "bb", "rtmr_2": "cc", "xfam": "dd"},
                },
                "td_attributes": {"debug": False},
            }
        },
        {"mr_td": ["aa"], "rtmr_1": ["bb"], "rtmr_2": ["cc"], "xfam": ["dd"]},
    ),
    "sgx": (
        {
            "sgx": {
                **CURRENT,
                "header": {"vendor_id": INTEL["vendor_id"]},
                "body": {"mr_enclave": "aa", "attributes.flags": "0500000000000000"},
            }
        },
        {"mr_enclave": ["aa"]},
    ),
    "az-snp-vtpm": (
        {
            "az-snp-vtpm": {
                "reported_tcb_bootloader": "4",
                "reported_tcb_microcode": "72",
                "reported_tcb_snp": "15",
                "reported_tcb_tee": "0",
                "measurement": "aa",
                "tpm": {"pcr11": "bb"},
                "policy_debug_allowed": "false",
            }
        },
        {
            "tcb_bootloader": ["4"],
            "tcb_microcode": ["72"],
            "tcb_snp": ["15"],
            "tcb_tee": ["0"],
            "measurement": ["aa"],
            "snp_pcr11": ["bb"],
        },
    ),
    "az-tdx-vtpm": (
        {
            "az-tdx-vtpm": {
                **CURRENT,
                "quote": {"header": INTEL, "body": {"mr_td": "aa"}},
                "tpm": {"pcr11": "bb"},
                "td_attributes": {"debug": False},
            }
        },
        {"mr_td": ["aa"], "tdx_pcr11": ["bb"]},
    ),
    "nvidia": (
        {
            "nvidia": {
                "config": {"fwid": "aa", "vbios_version": "1", "driver_version": "2"},
                "measurements": {"3": "bb"},
            }
        },
        {
            "gpu_fwids": ["aa"],
            "gpu_measurements": {"3": ["bb"]},
            "allowed_vbios_versions": ["1"],
            "allowed_driver_versions": ["2"],
        },
    ),
    "sample": (
        {"sample": {"svn": "1", "launch_digest": "aa", "debug": False}},
        {"svn": ["1"], "launch_digest": ["aa"]},
    ),
}
# A claim that is changed, and the trust claim that this costs.
SPOILED = [
    ("snp", "snp/reported_tcb_microcode", 71, "hardware"),
    ("snp", "snp/measurement", "ab", "executables"),
    ("snp", "snp/policy_debug_allowed", True, "configuration"),
    ("snp", "snp/policy_migrate_ma", True, "configuration"),
    ("tdx", "tdx/tcb_status", "OutOfDate", "hardware"),
    ("tdx", "tdx/collateral_expiration_status", "1", "hardware"),
    ("tdx", "tdx/quote/header/tee_type", "00000000", "hardware"),
    ("tdx", "tdx/quote/body/rtmr_2", "cd", "executables"),
    ("tdx", "tdx/td_attributes/debug", True, "configuration"),
    ("sgx", "sgx/tcb_status", "Revoked", "hardware"),
    ("sgx", "sgx/body/mr_enclave", "ab", "executables"),
    ("sgx", "sgx/body/attributes.flags", "0700000000000000", "configuration"),
    ("az-snp-vtpm", "az-snp-vtpm/reported_tcb_snp", "14", "hardware"),
    ("az-snp-vtpm", "az-snp-vtpm/tpm/pcr11", "bc", "executables"),
    ("az-snp-vtpm", "az-snp-vtpm/policy_debug_allowed", "true", "configuration"),
    ("az-tdx-vtpm", "az-tdx-vtpm/quote/body/mr_td", "ab", "hardware"),
    ("az-tdx-vtpm", "az-tdx-vtpm/tpm/pcr11", "bc", "executables"),
    ("az-tdx-vtpm", "az-tdx-vtpm/td_attributes/debug", True, "configuration"),
    ("nvidia", "nvidia/config/fwid", "ab", "hardware"),
    ("nvidia", "nvidia/measurements/3", "bc", "executables"),
    ("nvidia", "nvidia/config/driver_version", "3", "configuration"),
    ("sample", "sample/svn", "0", "hardware"),
    ("sample", "sample/launch_digest", "ab", "executables"),
    ("sample", "sample/debug", True, "configuration"),
]


def vector(name: str, policy_input: Any, values: dict[str, Any]) -> dict[str, int]:
    """The trust claims that a template gives, by two independent engines."""
    text = policy_template(ATTESTATION, name).text
    found: dict[str, int] = agreed(text, "trust_claims", policy_input, values=values)
    return found


def spoil(value: Any, path: str, to: Any) -> Any:
    """A copy with one member changed."""
    result = copy.deepcopy(value)
    *parents, last = path.split("/")
    place = result
    for parent in parents:
        place = place[parent]
    place[last] = to
    return result


@pytest.mark.parametrize(
    "template", policy_templates(), ids=lambda each: f"{each.kind}-{each.name}"
)
def test_templates_serve_and_need_no_second_look(template: PolicyTemplate) -> None:
    """Each says what it is for in its first line, compiles, and earns no warning."""
    text = PolicyText.of(f"{template.name}.rego", template.text)
    policy_id = "mine_cpu"
    if template.kind is ATTESTATION:
        check_attestation_policy(text, ENGINE)
    else:
        ENGINE.check(text, rules=(), reference_values=False)
        policy_id = "scope:resource"
    assert warnings(template.kind, policy_id, template.text, ENGINE) == ()
    assert template.purpose.endswith(".")


def test_every_template_of_attestation_is_tried() -> None:
    """Whoever adds one adds what it affirms, and what it does not."""
    names = {each.name for each in policy_templates() if each.kind is ATTESTATION}
    assert names == AFFIRMED.keys() | {"learning"}
    assert {name for name, *_ in SPOILED} == AFFIRMED.keys()


@pytest.mark.parametrize("name", AFFIRMED)
def test_a_template_affirms_what_is_registered(name: str) -> None:
    """Nothing less than all three claims, and nothing without reference values."""
    policy_input, values = AFFIRMED[name]
    assert vector(name, policy_input, values) == {
        "hardware": 2,
        "executables": 3,
        "configuration": 2,
    }
    assert vector(name, policy_input, {})["executables"] == 33
    assert vector(name, {}, values) == {"hardware": 97, "executables": 33, "configuration": 36}


@pytest.mark.parametrize(("name", "path", "to", "claim"), SPOILED)
def test_a_template_notices(name: str, path: str, to: Any, claim: str) -> None:
    """One claim that is not as registered costs the trust claim that it belongs to."""
    policy_input, values = AFFIRMED[name]
    good = vector(name, policy_input, values)
    bad = vector(name, spoil(policy_input, path, to), values)
    assert {each for each in good if good[each] != bad[each]} == {claim}


def test_learning_affirms_nothing() -> None:
    """Genuine hardware is a warning, anything else is contraindicated."""
    assert vector("learning", {"snp": {"measurement": "aa"}}, {})["hardware"] == 32
    assert vector("learning", {"sample": {"svn": "1"}}, {})["hardware"] == 97


def token(status: str = "affirming", tee: str = "snp", **more: Any) -> dict[str, Any]:
    """The claims of a token with one part."""
    guest = {tee: {"measurement": "measurement-1"}, "init_data_claims": {"tenant": "prod"}}
    part = {"ear.status": status, "ear.veraison.annotated-evidence": guest, **more}
    return {"ear.vouchgate.freshness": "nonce", "submods": {"cpu0": part}}


def images(*names: str) -> dict[str, Any]:
    """What the default attestation policy adds for containers."""
    return {"ear.trustee.identifiers": {"validated": {"container_images": list(names)}}}


def debugged(tee: str, claims: dict[str, Any]) -> dict[str, Any]:
    """A token of a guest with these claims."""
    claims_of_token = token()
    claims_of_token["submods"]["cpu0"]["ear.veraison.annotated-evidence"] = {tee: claims}
    return claims_of_token


TWO_PARTS = {"submods": {**token()["submods"], "gpu0": {"ear.status": "contraindicated"}}}
STALE = token() | {"ear.vouchgate.freshness": "none"}
IMAGE = "registry.example/app@sha256:1111"
# Template, claims, plugin, and whether a global policy that allows everything is overruled (deny)
# or what the template itself says (allow).
RELEASES: list[tuple[str, dict[str, Any], str, bool]] = [
    ("affirming", token(), "resource", True),
    ("affirming", token(), "pkcs11", False),
    ("affirming", token("warning"), "resource", False),
    ("affirming", TWO_PARTS, "resource", False),
    ("affirming", {}, "resource", False),
    ("affirming", {"submods": {}}, "resource", False),
    ("affirming-every-plugin", token(), "resource", True),
    ("affirming-every-plugin", token(), "pkcs11", True),
    ("affirming-every-plugin", token("warning"), "pkcs11", False),
    ("warnings-too", token("warning"), "resource", True),
    ("warnings-too", token("contraindicated"), "resource", False),
    ("warnings-too", token("none"), "resource", False),
    ("kinds-of-tee", token(tee="tdx"), "resource", True),
    ("kinds-of-tee", token(tee="sample"), "resource", False),
    ("kinds-of-tee", token("warning"), "resource", False),
    ("launch-measurements", token(), "resource", True),
    ("launch-measurements", debugged("snp", {"measurement": "other"}), "resource", False),
    ("launch-measurements", token("warning"), "resource", False),
    ("container-images", token(**images(IMAGE)), "resource", True),
    ("container-images", token(**images(IMAGE, "other")), "resource", False),
    ("container-images", token(**images()), "resource", False),
    ("container-images", token(), "resource", False),
    ("tenants", token(), "resource", True),
    ("tenants", debugged("snp", {}), "resource", False),
    ("never-debugged", token(), "resource", True),
    ("never-debugged", debugged("snp", {"policy_debug_allowed": True}), "resource", False),
    ("never-debugged", debugged("snp", {"policy_debug_allowed": False}), "resource", True),
    ("never-debugged", debugged("az-snp-vtpm", {"policy_debug_allowed": "true"}), "any", False),
    ("never-debugged", debugged("tdx", {"td_attributes": {"debug": True}}), "resource", False),
    ("never-debugged", debugged("az-tdx-vtpm", {"td_attributes": {"debug": True}}), "any", False),
    ("never-debugged", debugged("sample", {"debug": True}), "resource", False),
    ("never-debugged", debugged("sgx", {"body": {"attributes.flags": "07"}}), "resource", False),
    ("never-debugged", debugged("sgx", {"body": {"attributes.flags": "05"}}), "resource", True),
    ("fresh-tokens", token(), "resource", True),
    ("fresh-tokens", STALE, "resource", False),
    ("fresh-tokens", {}, "resource", False),
    ("stop", token(), "resource", False),
]


def test_every_template_of_releases_is_tried() -> None:
    """Each with what it allows and what it does not; a stop allows nothing."""
    tried = {(name, allowed) for name, _, _, allowed in RELEASES}
    names = {each.name for each in policy_templates() if each.kind is RESOURCE}
    assert tried == {(name, yes) for name in names for yes in (True, False)} - {("stop", True)}


@pytest.mark.parametrize(("name", "claims", "plugin", "allowed"), RELEASES)
def test_a_template_of_releases_does_what_it_says(
    name: str, claims: dict[str, Any], plugin: str, allowed: bool
) -> None:
    """Under a global policy that allows everything, so that a deny shows too."""
    data = {"plugin": plugin, "resource-path": ["prod", "db", "password"], "query": {}}
    text = policy_template(RESOURCE, name).text
    every = PolicyText.of("all.rego", "package policy\nallow := true\n")
    policies = (
        ScopedPolicy.of("scope:resource", PolicyText.of("p.rego", text), ENGINE),
        ScopedPolicy.of(GLOBAL_POLICY_ID, every, ENGINE),
    )
    decision = decide(ENGINE, policies, claims, data)
    assert (type(decision).__name__ == "Allowed") is allowed
    for rule in policies[0].rules:
        agreed(text, rule, claims, data=data)
