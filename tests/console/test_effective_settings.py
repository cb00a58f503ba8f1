"""Settings as they count: no secret in them, and each with its origin."""

from __future__ import annotations

from typing import Any

import pytest

from app.config import parse_settings
from app.console.effective_settings import DEFAULT, HIDDEN, SettingLine, setting_lines

MINIMAL: dict[str, Any] = {
    "roles": ["as", "kbs"],
    "database": {"url": "sqlite:///x.db"},
    "sealing": {"keys": ["file:kek"]},
}


def lines(environment: dict[str, str] | None = None, **parts: Any) -> dict[str, SettingLine]:
    """The lines by name, of minimal settings with some parts replaced."""
    settings = parse_settings(MINIMAL | parts, environment or {}, source="x.toml")
    return {line.name: line for line in setting_lines(settings, settings.origins)}


def test_a_password_in_an_address_is_not_shown() -> None:
    """The address is, without it."""
    found = lines(database={"url": "postgresql+psycopg://u:hunter2@h/n"})["database.url"]
    assert "hunter2" not in found.value
    assert "u:…@h/n" in found.value


def test_a_key_that_was_written_down_itself_is_not_shown() -> None:
    """Whoever puts the key where its place belongs is not told it again on a page."""
    found = lines(sealing={"keys": ["ab" * 32, "file:kek"]})["sealing.keys"]
    assert "abab" not in found.value
    assert HIDDEN in found.value
    assert "file:kek" in found.value


def test_a_signer_is_shown_member_by_member() -> None:
    """As the settings file says it, not as Python would."""
    signer = {"public_key_file": "/keys/ci.pem", "name_prefixes": ["app_"]}
    found = lines(rvps={"extractors": ["in-toto"], "signers": {"ci": signer}})["rvps.signers"]
    assert '"name_prefixes": ["app_"]' in found.value
    assert "Settings(" not in found.value


@pytest.mark.parametrize("name", ["api_key", "password", "client_secret", "ca_credential"])
def test_a_value_under_a_secret_name_is_not_shown(name: str) -> None:
    """Options of verifiers are free-form; a name that speaks of secrets hides its value."""
    options = {"verifier_options": {"nvidia": {name: "hunter2", "url": "https://x.example"}}}
    found = lines(attestation=options)["attestation.verifier_options"]
    assert "hunter2" not in found.value
    assert "https://x.example" in found.value


@pytest.mark.parametrize(
    ("name", "origin"),
    [
        ("server.threads", "x.toml"),
        ("server.workers", "VOUCHGATE_SERVER__WORKERS"),
        ("server.max_body_bytes", DEFAULT),
        ("log.level", "VOUCHGATE_LOG__LEVEL"),
        ("broker.issuers[0].jwks_file", "x.toml"),
        ("broker.issuers[0].audience", DEFAULT),
        ("roles", "x.toml"),
    ],
)
def test_each_value_knows_where_it_was_written(name: str, origin: str) -> None:
    """The environment wins over the file, and what nobody wrote is a default."""
    environment = {"VOUCHGATE_SERVER__WORKERS": "7", "VOUCHGATE_LOG__LEVEL": "error"}
    issuer = {"name": "a", "issuer": "b", "jwks_file": "f"}
    found = lines(environment, server={"threads": 9, "workers": 3}, broker={"issuers": [issuer]})
    assert found[name].origin == origin
    assert found["server.workers"].value == "7"


def test_weakening_settings_are_marked_when_they_are_on() -> None:
    """Off is no danger."""
    found = lines(server={"insecure_http": True})
    assert found["server.insecure_http"].weakens
    assert not found["attestation.insecure_allow_sample"].weakens


def test_every_setting_has_a_meaning() -> None:
    """The docstring of each table of settings says what each is for."""
    issuer = {"name": "a", "issuer": "b", "jwks_file": "f"}
    remote = {"url": "https://as.example"}
    found = lines(broker={"issuers": [issuer], "remote_appraiser": remote})
    assert [name for name, line in found.items() if not line.meaning] == []
