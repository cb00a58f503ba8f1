"""Every command of ``vouchgate``, run once as an operator runs it, and what it refuses."""

from __future__ import annotations

import json
import secrets
import sqlite3
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest
from click.testing import CliRunner
from command_site import Site
from raw_guest import PATH, SECRET, RawGuest
from servers import SAMPLE_VALUES

from app.blueprints.deps import EXTENSION
from app.cli import main
from app.config import parse_settings
from app.factory import build
from guest.wire.encoding import b64_encode

POLICY = "package policy\nimport rego.v1\n\nallow if data.plugin == 'resource'\n"


@pytest.fixture
def message(site: Site) -> str:
    """A file with the sample TEE's reference values."""
    payload = b64_encode(json.dumps(SAMPLE_VALUES).encode())
    return site.file(
        "message.json", json.dumps({"version": "0.1.0", "type": "sample", "payload": payload})
    )


@pytest.fixture
def decisions(site: Site, message: str) -> list[str]:
    """The ids of an appraisal and of two releases, the last one denied."""
    site.does("reference-values", "register", message)
    site.does("secrets", "set", PATH, "-", given=SECRET)
    ids: list[str] = serve(
        site,
        lambda guest: [
            guest.attest().headers["Vouchgate-Decision"],
            guest.resource().headers["Vouchgate-Decision"],
            denied(guest).headers["Vouchgate-Decision"],
        ],
    )
    return ids


def serve(site: Site, use: Callable[[RawGuest], Any], **parts: Any) -> Any:
    """Let a guest use an application on the site's database."""
    app = build(parse_settings(site.table | parts, {}))
    with closing(app.extensions[EXTENSION]):
        return use(RawGuest(app.test_client()))


def denied(guest: RawGuest) -> Any:
    """A release that policy denies."""
    guest.attest(svn="0")
    return guest.resource()


# --- settings ------------------------------------------------------------------------------------


def test_every_fault_of_the_settings_is_listed(site: Site) -> None:
    """Unknown keys, wrong types, contradictions: one line each, exit status 2."""
    said = site.refuses(
        "check-config",
        roles=["as", "kbss"],
        server={"bind": ["0.0.0.0:8080"], "worker": 3},
        attestation={"verifiers": ["sample"]},
        surprise=1,
    )
    for fault in (
        "settings: roles.1:",
        "settings: server.worker: there is no such setting",
        "settings: surprise: there is no such setting",
        "settings: attestation.verifiers: anyone can forge sample evidence",
    ):
        assert fault in said
    assert "Traceback" not in said


def test_everything_that_is_not_there_is_listed(site: Site) -> None:
    """Keys, certificates, verifiers, limits and sources, each under its setting."""
    notes = site.file("notes.txt", "no key")
    said = site.refuses(
        "check-config",
        sealing={"keys": ["file:/nowhere/kek", "env:VOUCHGATE_TEST_NOT_SET"]},
        database={"url": "sqlite:///x.db", "password_file": "/nowhere/password"},
        server={"tls_certificate": notes, "tls_private_key": notes},
        limits={"handshake": "often", "sign_in": "10/fortnight"},
        attestation={
            "verifiers": ["toaster"],
            "insecure_allow_sample": True,
        },
        broker={
            "issuers": [
                {"name": "a", "issuer": "a", "jwks_file": "/nowhere/keys.json"},
                {"name": "b", "issuer": "b", "ca_files": [notes]},
                {"name": "c", "issuer": "c", "jwks_url": "https://c", "tls_ca_file": notes},
            ],
            "remote_appraiser": {"url": "https://as.example", "ca_file": notes},
        },
        admin={"identity_providers": [{"name": "d", "public_key_file": notes}]},
    )
    for setting in (
        "sealing.keys: file:/nowhere/kek",
        "sealing.keys: env:VOUCHGATE_TEST_NOT_SET",
        "database.password_file",
        "server.tls_certificate",
        "limits.handshake",
        "limits.sign_in",
        "attestation.verifiers",
        "broker.issuers.a",
        "broker.issuers.b",
        "broker.issuers.c",
        "broker.remote_appraiser",
        "admin.identity_providers.d",
    ):
        assert f"settings: {setting}" in said, setting


def test_a_missing_key_does_not_stop_before_the_rest_is_looked_at(site: Site) -> None:
    """``serve`` refuses like ``check-config``, and has touched nothing then."""
    said = site.refuses(
        "serve",
        sealing={"keys": ["file:/nowhere/kek"]},
        limits={"handshake": "often"},
        database={"url": f"sqlite:///{site.folder}/new.db"},
    )
    assert "sealing.keys" in said
    assert "limits.handshake" in said
    assert not (site.folder / "new.db").exists()


def test_plain_http_off_loopback_is_refused(site: Site) -> None:
    """What other machines can reach has a certificate."""
    said = site.refuses("serve", server={"bind": ["0.0.0.0:0"]})
    assert "server.bind: 0.0.0.0:0 is reachable from other machines" in said


def test_a_newer_database_is_refused(site: Site) -> None:
    """A program does not touch a schema that it does not know, neither serving nor operating."""
    with closing(sqlite3.connect(site.folder / "vouchgate.db")) as database:
        database.execute("UPDATE alembic_version SET version_num = 'ffff_from_the_future'")
        database.commit()
    assert "does not know" in site.refuses("serve")
    assert "another schema" in site.refuses("keys", "list")


def test_a_settings_file_that_is_no_toml_is_refused(site: Site) -> None:
    """The file and the place are named."""
    path = site.file("bad.toml", "roles = [")
    result = CliRunner().invoke(main, ["check-config", "--config", path])
    assert result.exit_code == 2
    assert f"settings: {path}:" in result.stderr
    result = CliRunner().invoke(main, ["check-config"], env={"VOUCHGATE_CONFIG": None})
    assert (result.exit_code, "VOUCHGATE_CONFIG" in result.stderr) == (2, True)


def test_good_settings_are_fine_and_insecure_ones_named(site: Site) -> None:
    """What weakens stands there, even when it is wanted."""
    said = site.does("check-config")
    assert said == "insecure: attestation.insecure_allow_sample\nthe settings are fine\n"


# --- operators and keys --------------------------------------------------------------------------


def test_operators_are_created_listed_and_reset(site: Site) -> None:
    """A one-time password is printed, and another one after a reset; a name is there once."""
    first = site.does("operators", "create", "ann", "--role", "auditor").strip()
    assert len(first) >= 16
    assert "conflict" in site.refuses("operators", "create", "ann", "--role", "owner")
    second = site.does("operators", "reset", "ann").strip()
    assert second not in {first, ""}
    assert site.does("operators", "list") == "ann\tauditor\tenabled\tnever\tpassword only\n"
    assert site.refuses("operators", "reset", "bob")
    assert site.run("operators", "create", "eve", "--role", "emperor").exit_code == 2


def test_operators_are_changed_but_not_the_last_owner(site: Site) -> None:
    """Role, disabled, enabled; and a second factor that is not there cannot be taken away."""
    site.does("operators", "create", "ann", "--role", "owner")
    site.does("operators", "create", "bob", "--role", "viewer")
    assert "conflict" in site.refuses("operators", "disable", "ann")
    assert "conflict" in site.refuses("operators", "role", "ann", "viewer")
    assert site.does("operators", "role", "bob", "owner") == "bob is owner\n"
    assert site.does("operators", "disable", "ann") == "ann is disabled\n"
    assert "ann\towner\tdisabled\tnever\t" in site.does("operators", "list")
    assert site.does("operators", "enable", "ann") == "ann is enabled\n"
    assert "conflict" in site.refuses("operators", "remove-second-factor", "ann")
    for action in ("disable", "enable"):
        assert "operator-not-found" in site.refuses("operators", action, "eve")


def test_the_setup_link_is_printed_while_there_is_no_owner(site: Site) -> None:
    """With the code where browsers send it to nobody; an owner ends that."""
    link = site.does("operators", "setup-link").strip()
    assert link.startswith("http://127.0.0.1:8080/console/setup#")
    assert len(link.partition("#")[2]) == 43
    site.does("operators", "create", "ann", "--role", "owner")
    assert "conflict" in site.refuses("operators", "setup-link")


def test_files_for_guests_are_printed(site: Site) -> None:
    """Each by its name; without TLS there is no authority."""
    assert "[token_configs.coco_as]" in site.does("guest-file", "aa.toml")
    assert "[kbc]" in site.does("guest-file", "cdh.toml")
    assert "sha384" in site.does("guest-file", "init-data.toml")
    assert site.does("guest-file", "authority.pem") == ""


def test_roles_are_listed() -> None:
    """One line for each permission of each role; it needs no settings."""
    lines = CliRunner().invoke(main, ["operators", "roles"]).stdout.splitlines()
    assert "owner\tkeys:signing:rotate" in lines
    assert "viewer\tkeys:signing:rotate" not in lines


def test_tokens_are_made_listed_and_revoked(site: Site) -> None:
    """What is printed once opens the REST interface until it is revoked."""
    text = site.does(
        "api-tokens", "make", "a script", "--role", "auditor", "--permission", "audit:log:read"
    ).strip()
    assert text.startswith("vouchgate_")
    token_id, role, maker, _, label = site.does("api-tokens", "list").strip().split("\t")
    assert (role, label) == ("auditor", "a script")
    assert maker.startswith("cli:")
    assert token_id in text
    assert site.does("api-tokens", "revoke", token_id) == "revoked\n"
    assert site.does("api-tokens", "list") == ""
    assert "api-token-not-found" in site.refuses("api-tokens", "revoke", token_id)
    wide = ("--role", "viewer", "--permission", "keys:signing:rotate")
    assert "malformed-request" in site.refuses("api-tokens", "make", "x", *wide)


def test_a_session_that_is_not_there_is_not_ended(site: Site) -> None:
    """And none is listed."""
    assert site.does("sessions", "list", "--operator", "ann") == ""
    assert "console-session-not-found" in site.refuses("sessions", "revoke", "0" * 16)
    assert site.does("sessions", "revoke-all", "ann") == "0 ended\n"


def test_keys_are_listed_and_rotated(site: Site) -> None:
    """After a rotation the next key is current, and the old one stays for a while."""
    before = dict(line.split("\t")[:2] for line in site.does("keys", "list").splitlines())
    site.does("keys", "rotate")
    after = dict(line.split("\t")[:2] for line in site.does("keys", "list").splitlines())
    assert sorted(after.values()) == ["current", "next", "retired"]
    (was_next,) = [key for key, state in before.items() if state == "next"]
    (was_current,) = [key for key, state in before.items() if state == "current"]
    assert (after[was_next], after[was_current]) == ("current", "retired")
    site.does("keys", "rotate-tickets")


# --- secrets -------------------------------------------------------------------------------------


def test_secrets_are_set_listed_and_deleted(site: Site) -> None:
    """Versions count, values never show, and what is deleted is gone."""
    assert site.does("secrets", "set", PATH, "-", given=b"one") == f"{PATH} version 1\n"
    path = site.file("secret.bin", b"\x00\xffcanary")
    assert site.does("secrets", "set", PATH, path) == f"{PATH} version 2\n"
    assert site.does("secrets", "list") == f"{PATH}\tversion 2\t8 bytes\n"
    site.does("secrets", "delete", PATH)
    assert site.does("secrets", "list") == ""
    assert "resource-not-found" in site.refuses("secrets", "delete", PATH)


def test_a_secret_goes_through_its_life(site: Site) -> None:
    """Made, restored, listed by prefix and by tree, deleted, brought back, destroyed."""
    assert site.does("secrets", "generate", PATH, "--recipe", "uuid") == f"{PATH} version 1\n"
    site.does("secrets", "set", PATH, "-", "--based-on", "1", given=b"two")
    assert "conflict" in site.refuses("secrets", "set", PATH, "-", "--based-on", "1", given=b"x")
    assert site.does("secrets", "restore", PATH, "1") == f"{PATH} version 3\n"
    lines = site.does("secrets", "versions", PATH).splitlines()
    assert [line.split("\t")[0] for line in lines] == ["version 3", "version 2", "version 1"]
    assert lines[0].endswith("active\trestored from 1")
    repository, kind, _ = PATH.split("/")
    assert site.does("secrets", "tree") == f"{repository}\n"
    assert site.does("secrets", "tree", repository) == f"{kind}\n"
    assert site.does("secrets", "list", "--prefix", f"{repository}/").startswith(PATH)
    assert site.does("secrets", "list", "--prefix", "zzz") == ""
    assert "malformed-resource-path" in site.refuses("secrets", "list", "--prefix", "a b")
    assert "conflict" in site.refuses("secrets", "destroy", PATH, "--yes")
    site.does("secrets", "delete", PATH)
    assert site.does("secrets", "deleted").startswith(f"{PATH}\tversion 3\t")
    site.does("secrets", "restore", PATH, "3")
    site.does("secrets", "delete", PATH)
    assert site.run("secrets", "destroy", PATH, given=b"n\n").exit_code == 1
    site.does("secrets", "destroy", PATH, "--yes")
    assert site.does("secrets", "versions", PATH) == site.does("secrets", "deleted") == ""


def test_a_value_is_read_with_a_reason(site: Site) -> None:
    """Byte for byte, on record, and not at all when the settings say so."""
    site.does("secrets", "set", PATH, "-", given=b"a \x00 value\n")
    reveal = ("secrets", "reveal", PATH, "1", "--reason")
    assert site.does(*reveal, "compare with the vault") == "a \x00 value\n"
    assert "malformed-request" in site.refuses(*reveal, "why not")
    off = site.refuses(*reveal, "compare with the vault", broker={"secret_reveal": False})
    assert "reveal-disabled" in off


def test_who_may_get_a_secret_and_what_a_guest_may_get(site: Site, decisions: list[str]) -> None:
    """The guest that is affirmed may, the other may not."""
    lines = [line.split("\t") for line in site.does("secrets", "who-may", PATH).splitlines()]
    assert {(line[0], line[5]) for line in lines} == {
        ("denied", decisions[2]),
        ("allowed", decisions[1]),
    }
    assert site.does("secrets", "what-may", decisions[1]) == f"{PATH}\n"
    assert site.does("secrets", "what-may", decisions[2]) == ""
    assert "decision-not-found" in site.refuses("secrets", "what-may", "0" * 32)


def test_who_got_a_secret_is_listed(site: Site, decisions: list[str]) -> None:
    """The release that was allowed, and not the one that was denied."""
    (line,) = site.does("secrets", "who-got", PATH).splitlines()
    assert line.endswith(decisions[1])


@pytest.mark.parametrize("path", ["a/b", "a/b/../c", "a//c", "a/b/c/d", "a/b/ö", ""])
def test_a_path_that_is_none_is_refused(site: Site, path: str) -> None:
    """The same paths as everywhere."""
    assert "malformed-resource-path" in site.refuses("secrets", "set", path, "-", given=b"x")


def test_a_secret_that_is_too_large_is_refused(site: Site) -> None:
    """The limit of the settings holds at the terminal, too."""
    said = site.refuses(
        "secrets", "set", PATH, "-", given=b"x" * 33, broker={"max_secret_bytes": 32}
    )
    assert "too-large" in said


def test_rewrapping_lets_the_old_key_go(site: Site, message: str) -> None:
    """Under the new key alone nothing opens before, and everything after."""
    site.does("reference-values", "register", message)
    site.does("secrets", "set", PATH, "-", given=SECRET)
    old = f"file:{site.folder / 'kek'}"
    new = f"file:{site.file('kek2', secrets.token_hex(32))}"
    assert "sealing-failed" in site.refuses("keys", "rotate", sealing={"keys": [new]})
    count = site.does("secrets", "rewrap", sealing={"keys": [new, old]})
    assert int(count.split()[0]) >= 1
    site.does("keys", "rotate", sealing={"keys": [new]})

    def fetch(guest: RawGuest) -> bytes:
        guest.attest()
        return guest.open(guest.resource().json)

    assert serve(site, fetch, sealing={"keys": [new]}) == SECRET


# --- policies and reference values ---------------------------------------------------------------


@pytest.mark.parametrize("policy_id", ["resource-policy", "default_cpu"])
def test_a_broken_policy_is_refused_with_its_place(site: Site, policy_id: str) -> None:
    """Line and column, and the policy that was there stays."""
    before = site.does("policies", "show", policy_id)
    path = site.file("broken.rego", "package policy\n\nallow if {")
    said = site.refuses("policies", "set", policy_id, path)
    assert said.startswith("malformed-policy: ")
    assert "(line 3, column " in said
    assert site.does("policies", "show", policy_id) == before


def test_a_policy_that_is_no_text_is_refused(site: Site) -> None:
    """Bytes that are not UTF-8 end in a reason, not in a traceback."""
    path = site.file("bytes.rego", b'package policy\nallow := "\xff"\n')
    assert "malformed-policy" in site.refuses("policies", "set", "resource-policy", path)


def test_policies_are_listed_set_and_shown(site: Site) -> None:
    """What is shown is what was set, byte for byte."""
    listed = site.does("policies", "list").splitlines()
    assert "resource\tresource-policy" in listed
    assert "attestation\tdefault_cpu" in listed
    policy = POLICY.replace("'", '"')
    site.does("policies", "set", "resource-policy", site.file("p.rego", policy))
    assert site.does("policies", "show", "resource-policy") == policy
    own = 'package policy\ntrust_claims := {"hardware": 2}\n'
    site.does("policies", "set", "own_cpu", "-", given=own.encode())
    assert site.does("policies", "show", "own_cpu") == own
    assert "policy-not-found" in site.refuses("policies", "show", "none")


def test_the_machine_itself_goes_around_the_rule_loudly(site: Site) -> None:
    """Whoever commands the server could change its settings too; the audit log tells."""
    path = site.file("p.rego", POLICY.replace("'", '"'))
    rule = {"two_person_rule": True}
    site.does("policies", "set", "resource-policy", path, console=rule)
    with closing(sqlite3.connect(site.folder / "vouchgate.db")) as connection:
        rows = connection.execute("SELECT action FROM audit_records ORDER BY sequence DESC LIMIT 2")
        actions = [action for (action,) in rows]
    assert actions == ["two-person-rule:bypass", "policy:resource:set"]


def test_a_policy_of_a_scope_is_set_shown_and_taken_away(site: Site) -> None:
    """Beside the global one, which stays."""
    text = "package policy\ndeny := true\n"
    site.does("policies", "set", "scope:resource:prod", "-", given=text.encode())
    assert site.does("policies", "show", "scope:resource:prod") == text
    assert "resource\tscope:resource:prod" in site.does("policies", "list")
    site.does("policies", "remove", "scope:resource:prod")
    assert "policy-not-found" in site.refuses("policies", "show", "scope:resource:prod")
    assert "policy-not-found" in site.refuses("policies", "remove", "own_cpu")
    for policy_id in ("resource-policy", "default_cpu"):
        assert "malformed-request" in site.refuses("policies", "remove", policy_id)
    said = site.refuses("policies", "set", "scope:prod", "-", given=text.encode())
    assert "begins with a plugin" in said


def test_versions_are_listed_compared_and_rolled_back(site: Site) -> None:
    """An old text becomes a new version."""
    before = site.does("policies", "show", "resource-policy")
    site.does("policies", "set", "resource-policy", "-", given=b"package policy\nallow := false\n")
    assert "+allow := false" in site.does("policies", "compare", "resource-policy", "1", "2")
    compared = site.does("policies", "compare", "resource-policy", "1", "2", "--json")
    assert json.loads(compared)["rows"][-1]["new"]["mark"] in {"added", "blank"}
    site.does("policies", "roll-back", "resource-policy", "1")
    assert site.does("policies", "show", "resource-policy") == before
    shown = site.does("policies", "show", "resource-policy", "--version", "2")
    assert shown == "package policy\nallow := false\n"
    states = [line.split("\t")[:2] for line in _lines(site, "versions", "resource-policy")]
    assert states == [["3", "active"], ["2", "replaced"], ["1", "replaced"]]
    assert site.does("policies", "compare", "resource-policy", "1", "3") == ""


def _lines(site: Site, *arguments: str) -> list[str]:
    return site.does("policies", *arguments).splitlines()


def test_a_policy_is_checked_without_being_set(site: Site) -> None:
    """Warnings, typical guests and examples; status 1 when one is broken."""
    path = site.file("all.rego", "package policy\nallow := true\n")
    told = site.does("policies", "check", "resource-policy", path)
    assert "warning\tallow is true whatever the token says" in told
    assert "guest\taffirming\tresource allowed" in told
    example = {
        "name": "strangers",
        "data": {"plugin": "resource", "resource-path": [], "query": {}},
        "expected": {"outcome": "denied"},
    }
    file = site.file("example.json", json.dumps(example))
    site.does("policy-examples", "set", "resource-policy", file)
    broken = site.run("policies", "check", "resource-policy", path)
    assert broken.exit_code == 1
    assert "example\tstrangers\tbroken\tdenied\tallowed" in broken.stdout
    assert "policy-examples-broken" in site.refuses("policies", "set", "resource-policy", path)
    assert "strangers\tholds" in site.does("policy-examples", "run", "resource-policy")
    ran = site.run("policy-examples", "run", "resource-policy", "--file", path)
    assert ran.exit_code == 1
    listed = json.loads(site.does("policy-examples", "list", "resource-policy"))
    assert (listed["name"], listed["revision"]) == ("strangers", 1)
    site.does("policy-examples", "remove", "resource-policy", "strangers")
    assert site.does("policy-examples", "list", "resource-policy") == ""
    said = site.refuses("policy-examples", "set", "resource-policy", "-", given=b"[]")
    assert "malformed-request" in said


def test_a_decision_is_kept_as_an_example_and_dry_run(site: Site, decisions: list[str]) -> None:
    """What was decided stays so, or the terminal says what would change."""
    release = decisions[1]
    name = site.does("policy-examples", "from-decision", "resource-policy", release).strip()
    assert f"{name}\tholds" in site.does("policy-examples", "run", "resource-policy")
    assert "decision-not-found" in site.refuses(
        "policy-examples", "from-decision", "resource-policy", "none"
    )
    text = b"package policy\ndeny := true\n"
    proposal_id = site.does("policies", "set", "scope:resource", "-", "--draft", given=text).strip()
    ran = site.run("proposals", "dry-run", proposal_id, "--last", "10")
    assert ran.exit_code == 1, ran.output
    assert release in ran.stdout
    assert "policy-allowed\tpolicy-denied" in ran.stdout
    same = site.does("policies", "show", "resource-policy").encode()
    proposal_id = site.does(
        "policies", "set", "resource-policy", "-", "--draft", given=same
    ).strip()
    assert site.does("proposals", "dry-run", proposal_id) == ""


def test_ready_policies_are_listed_and_printed(site: Site) -> None:
    """Without settings, to begin a file with."""
    runner = CliRunner()
    listed = runner.invoke(main, ["policies", "templates", "--kind", "resource"]).stdout
    assert "resource\tstop\tAn emergency stop" in listed
    printed = runner.invoke(main, ["policies", "templates", "snp"]).stdout
    assert printed.startswith("# AMD SEV-SNP")
    refused = runner.invoke(main, ["policies", "templates", "none"])
    assert (refused.exit_code, "policy-not-found" in refused.stderr) == (2, True)


def test_a_draft_is_proposed_and_approved(site: Site) -> None:
    """A proposal from the terminal: written down, shown, listed, carried out."""
    path = site.file("p.rego", POLICY.replace("'", '"'))
    proposal_id = site.does("policies", "set", "resource-policy", path, "--draft").strip()
    assert site.does("policies", "show", "resource-policy") != POLICY.replace("'", '"')
    assert proposal_id in site.does("proposals", "list", "--state", "open")
    assert json.loads(site.does("proposals", "show", proposal_id))["state"] == "open"
    said = site.refuses("proposals", "approve", proposal_id, "--revision", "2")
    assert "at revision 1" in said
    site.does("proposals", "approve", proposal_id, "--revision", "1", "--comment", "read")
    assert site.does("policies", "show", "resource-policy") == POLICY.replace("'", '"')
    assert "conflict" in site.refuses("proposals", "reject", proposal_id, "--revision", "1")


def test_a_change_from_a_file_is_proposed_and_withdrawn(site: Site) -> None:
    """JSON as the REST interface takes it; what is none is refused."""
    change: Any = {"kind": "reference-values", "register": [{"name": "svn", "value": ["1"]}]}
    made = json.loads(site.does("proposals", "new", "-", given=json.dumps(change).encode()))
    assert made["subject"] == "svn"
    proposal_id = made["proposal_id"]
    change["register"][0]["value"] = ["2"]
    revise = ("proposals", "revise", proposal_id, "-", "--revision", "1")
    revised = json.loads(site.does(*revise, given=json.dumps(change).encode()))
    assert revised["change"]["register"][0]["value"] == ["2"]
    assert "malformed-request" in site.refuses(*revise, given=b"{")
    assert "proposal-not-found" in site.refuses("proposals", "cancel-dry-run", proposal_id)
    site.does("proposals", "dry-run", proposal_id)
    site.does("proposals", "cancel-dry-run", proposal_id)
    site.does("proposals", "withdraw", proposal_id, "--revision", "2")
    assert "malformed-request" in site.refuses("proposals", "new", "-", given=b"{")
    rejected = json.loads(site.does("proposals", "new", "-", given=json.dumps(change).encode()))
    site.does("proposals", "reject", rejected["proposal_id"], "--revision", "1")
    assert len(site.does("proposals", "list").splitlines()) == 2


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"\xff", b'{"version":"0.1.0"}', b'{"a":NaN}']
)
def test_a_message_that_is_none_is_refused(site: Site, content: bytes) -> None:
    """A file that is no RVPS message ends in a reason, not in a traceback."""
    path = site.file("message.json", content)
    assert "malformed-" in site.refuses("reference-values", "register", path)


def test_a_reference_value_goes_through_its_life(site: Site) -> None:
    """Added, imported, shown, found unread, withdrawn."""
    site.does("reference-values", "add", "a/b", '["1"]', "--expires-at", "2100-01-01T00:00Z")
    assert "malformed-" in site.refuses("reference-values", "add", "a", "abc")
    path = site.file("values.csv", "name,value\na/b,2\nc,x\n")
    tried = site.does("reference-values", "import", path, "--dry-run")
    assert tried.splitlines() == ['replaced\ta/b\t["1"]\t2', 'added\tc\t-\t"x"']
    listed = ("reference-values", "list", "--containing", "C")
    assert site.does(*listed) == ""
    site.does("reference-values", "import", path)
    assert site.does(*listed).startswith("c\t")
    bad = site.file("bad.csv", "name,value\nd,1\ne\n,2\n")
    said = site.refuses("reference-values", "import", bad)
    assert ("line 3" in said, "line 4" in said) == (True, True)
    assert "c\t" in site.does("reference-values", "list", "--unread", "--state", "active")
    site.does("reference-values", "withdraw", "a/b")
    lines = site.does("reference-values", "history", "a/b").splitlines()
    assert [line.split("\t")[-1] for line in lines] == ["2", '["1"]']
    assert "withdrawn by" in lines[0]
    shown = dict(
        line.split("\t") for line in site.does("reference-values", "show", "a/b").splitlines()
    )
    assert (shown["value"], shown["signer"], shown["read by"]) == ("2", "-", "no policy")
    assert shown["state"].startswith("withdrawn by")
    for command in ("show", "history"):
        assert "not-found" in site.refuses("reference-values", command, "never")
    assert "not-found" in site.refuses("reference-values", "withdraw", "a/b")
    assert "launch_digest\tdefault_cpu\t-" in site.does("reference-values", "missing")


def test_reference_values_are_taken_from_a_decision(site: Site, decisions: list[str]) -> None:
    """Listed first; a draft changes nothing."""
    offered = site.does("reference-values", "take", decisions[2]).splitlines()
    assert 'open\tsvn\tcpu0\tinput.sample.svn\t"0"' in offered
    take = ("reference-values", "take", decisions[2], "--name")
    assert "malformed-request" in site.refuses(*take, "launch_digest")
    proposal_id = site.does(*take, "svn", "--draft").strip()
    assert proposal_id in site.does("proposals", "list")
    site.does(*take, "svn")
    assert '["1", "0"]' in site.does("reference-values", "show", "svn")
    assert "decision-not-found" in site.refuses("reference-values", "take", "0" * 32)


def test_reference_values_are_registered_and_listed(site: Site, message: str) -> None:
    """Name, expiry, value."""
    site.does("reference-values", "register", message)
    lines = [line.split("\t") for line in site.does("reference-values", "list").splitlines()]
    listed = {name: json.loads(value) for name, _, value in lines}
    assert listed == SAMPLE_VALUES


def test_a_message_is_verified_without_registering_it(site: Site, message: str) -> None:
    """Which extractor, which signer, which values; the database stays as it was."""
    lines = site.does("reference-values", "verify", message).splitlines()
    assert lines[:2] == ["extractor\tsample", "signer\t-"]
    assert lines[2].startswith("message\t")
    assert 'value\tsvn\t["1"]' in lines
    assert site.does("reference-values", "list") == ""
    proposal_id = site.does("reference-values", "register", message, "--draft").strip()
    assert (
        proposal_id in site.does("proposals", "list"),
        site.does("reference-values", "list"),
    ) == (
        True,
        "",
    )
    unsigned = site.file("unsigned.json", '{"type": "in-toto", "payload": "e30="}')
    assert "malformed-" in site.refuses("reference-values", "verify", unsigned)
    assert "malformed-" in site.refuses("reference-values", "verify", site.file("x", b"{"))


# --- decisions and the audit log -----------------------------------------------------------------


def test_decisions_are_listed_and_filtered(site: Site, decisions: list[str]) -> None:
    """Newest first; by kind, outcome and reason; as lines or as JSON."""
    lines = site.does("decisions", "list").splitlines()
    assert [line.split("\t")[-1] for line in lines[-2:]] == decisions[1::-1]
    filtered = site.does("decisions", "list", "--outcome", "denied", "--kind", "release", "--json")
    (record,) = [json.loads(line) for line in filtered.splitlines()]
    assert (record["decision_id"], record["reason"]) == (decisions[2], "policy-denied")
    by_reason = site.does("decisions", "list", "--reason", "policy-denied", "--limit", "1")
    assert by_reason.splitlines()[0].endswith(decisions[2])


def test_a_filter_that_cannot_be_is_refused(site: Site) -> None:
    """The same words as elsewhere."""
    assert "since" in site.refuses("decisions", "list", "--since", "yesterday")
    assert "id" in site.refuses("decisions", "export", "--id", "xyz")


def test_the_overview_counts(site: Site, decisions: list[str]) -> None:
    """Line by line, or as JSON."""
    told = site.does("overview", "--window", "week")
    assert "attestations\taffirming\t1\n" in told
    assert "releases\tdenied\t1\n" in told
    assert "server\tbroker\tworks\n" in told
    assert json.loads(site.does("overview", "--tee", "tdx", "--json"))["attestations"] == {}


def test_decisions_are_exported(site: Site, decisions: list[str]) -> None:
    """A head and a line for each in CSV, an object for each in JSON Lines."""
    lines = site.does("decisions", "export", "--outcome", "denied").splitlines()
    assert lines[0].startswith("decision_id,at,kind")
    assert lines[1].startswith(decisions[2])
    exported = site.does("decisions", "export", "--id", decisions[1], "--format", "jsonl")
    assert json.loads(exported)["decision_id"] == decisions[1]


def test_a_decision_is_explained(site: Site, decisions: list[str]) -> None:
    """The ways out with their risks, or all of it as JSON."""
    told = site.does("decisions", "why", decisions[2])
    assert "1. risk:" in told
    assert "The risk:" in told
    assert json.loads(site.does("decisions", "why", decisions[2], "--json"))["ways"]
    assert "decision-not-found" in site.refuses("decisions", "why", "0" * 32)


def test_a_way_out_is_proposed(site: Site, decisions: list[str]) -> None:
    """By its number in the explanation; one that is none is refused."""
    ways = json.loads(site.does("decisions", "why", decisions[2], "--json"))["ways"]
    number = next(number for number, way in enumerate(ways, 1) if way["proposal"])
    proposal_id = site.does("decisions", "draft", decisions[2], str(number)).strip()
    made = json.loads(site.does("proposals", "show", proposal_id))
    assert made["origin"] == decisions[2]
    assert made["kind"] == ways[number - 1]["proposal"]["kind"]
    assert "conflict" in site.refuses("decisions", "draft", decisions[2], str(len(ways) + 1))


def test_decisions_are_shown_and_replayed(site: Site, decisions: list[str]) -> None:
    """With everything they were made on; and made again, they come out the same."""
    for decision_id in decisions:
        shown = json.loads(site.does("decisions", "show", decision_id))
        assert shown["inputs"]
        assert shown["result"]
        assert json.loads(site.does("decisions", "replay", decision_id))["same"]
    for command in ("show", "replay"):
        assert "decision-not-found" in site.refuses("decisions", command, "0" * 32)


def test_a_decision_that_comes_out_otherwise_is_told(site: Site, decisions: list[str]) -> None:
    """Exit status 1 when the record does not say what the policy says."""
    with closing(sqlite3.connect(site.folder / "vouchgate.db")) as database:
        database.execute(
            "UPDATE decisions SET outcome = 'allowed', reason = 'policy-allowed' "
            "WHERE decision_id = ?",
            [decisions[2]],
        )
        database.commit()
    result = site.run("decisions", "replay", decisions[2])
    assert result.exit_code == 1
    assert json.loads(result.stdout)["same"] is False


def test_the_audit_log_verifies(site: Site) -> None:
    """What operators did at the terminal is in it, and it chains."""
    site.does("secrets", "set", PATH, "-", given=b"x")
    site.does("secrets", "delete", PATH)
    said = site.does("audit", "verify")
    assert said.endswith("records, the chain holds\n")
    assert int(said.split()[0]) >= 2


TAMPERINGS = {
    "changed": "UPDATE audit_records SET subject = 'a/b/innocent' WHERE sequence = ?",
    "removed": "DELETE FROM audit_records WHERE sequence = ?",
    "moved": "UPDATE audit_records SET sequence = sequence + 100 WHERE sequence = ?",
}


@pytest.mark.parametrize("name", TAMPERINGS)
def test_a_tampered_audit_log_is_told(site: Site, name: str) -> None:
    """Exit status 1, whatever was done to a row, and the row is named."""
    for number in range(3):
        site.does("secrets", "set", f"a/b/c{number}", "-", given=b"x")
    with closing(sqlite3.connect(site.folder / "vouchgate.db")) as database:
        (last,) = database.execute("SELECT max(sequence) FROM audit_records").fetchone()
        database.execute(TAMPERINGS[name], [last - 1])
        database.commit()
    result = site.run("audit", "verify")
    assert result.exit_code == 1
    assert "does not chain" in result.stderr


def test_the_audit_log_is_listed_and_exported(site: Site) -> None:
    """By every filter; and CSV begins with its header."""
    site.does("secrets", "set", PATH, "-", given=b"x")
    site.does("secrets", "delete", PATH)
    filters = ("--actor", "setup", "--since", "2020-01-01", "--until", "2999-01-01T00:00")
    (line,) = site.does("audit", "list", *filters, "--limit", "1").splitlines()
    assert "setup (owner, local)" in line
    records = [json.loads(line) for line in site.does("audit", "list", "--json").splitlines()]
    about = [r for r in records if r["entry"]["subject"] == PATH]
    assert len(about) >= 2
    listed = site.does("audit", "list", "--subject", PATH, "--before", str(about[0]["sequence"]))
    assert len(listed.splitlines()) == len(about) - 1
    action = about[0]["entry"]["action"]
    assert len(site.does("audit", "export", "--action", action).splitlines()) == 1
    assert site.does("audit", "export", "--format", "csv").startswith("sequence,at,actor")


def test_the_audit_log_is_pruned_on_demand_only(site: Site) -> None:
    """Without a retention the command says so; with one, what is young stays."""
    assert "retention_days" in site.refuses("audit", "prune")
    assert site.does("audit", "prune", audit={"retention_days": 1}) == "0 records pruned\n"
    assert site.does("audit", "prune", "--older-than-days", "2") == "0 records pruned\n"
