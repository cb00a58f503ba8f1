"""Settings are checked whole, and nothing weakens by default."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from app.config import load_settings, parse_settings, read_key_encryption_keys
from app.settings import SealingSettings, Settings, insecure_settings
from app.trust.errors import ConfigError

MINIMAL: dict[str, Any] = {
    "roles": ["as", "kbs", "console"],
    "database": {"url": "sqlite:///x.db"},
    "sealing": {"keys": ["file:kek"]},
}


def parse(**parts: Any) -> Settings:
    """Minimal settings with some parts replaced."""
    return parse_settings(MINIMAL | parts, {})


@pytest.mark.parametrize(
    ("parts", "fault"),
    [
        ({"roles": []}, "roles"),
        ({"roles": ["kbss"]}, "roles.0"),
        ({"extra": 1}, "extra: there is no such setting"),
        ({"server": {"worker": 1}}, "server.worker: there is no such setting"),
        ({"server": {"workers": 0}}, "server.workers"),
        ({"server": {"bind": ["localhost"]}}, "is not address:port"),
        ({"server": {"bind": ["0.0.0.0:80"]}}, "reachable from other machines"),
        ({"server": {"bind": ["[::]:80"]}}, "reachable from other machines"),
        ({"server": {"tls_certificate": "x.pem"}}, "go together"),
        ({"database": {}}, "database.url"),
        ({"sealing": {"keys": []}}, "sealing.keys"),
        ({"attestation": {"verifiers": ["sample"]}}, "insecure_allow_sample"),
        ({"roles": ["kbs"]}, "at least one issuer"),
        ({"rvps": {"signers": {"ci": {"ca_file": "x"}}}}, "rvps.signers.ci.name_prefixes"),
        ({"rvps": {"signers": {"ci": {"name_prefixes": ["a"]}}}}, "exactly one of public_key_file"),
        ({"broker": {"remote_appraiser": {"url": "http://10.0.0.1"}}}, "plain http"),
        ({"broker": {"remote_appraiser": {"url": "ftp://x"}}}, "not an http(s) address"),
        ({"broker": {"issuers": [{"name": "a", "issuer": "b"}]}}, "exactly one of jwks_url"),
        (
            {
                "broker": {
                    "issuers": [{"name": "a", "issuer": "b", "jwks_url": "http://far.example"}]
                }
            },
            "plain http",
        ),
        (
            {
                "broker": {
                    "issuers": [
                        {"name": "a", "issuer": "b", "jwks_file": "f", "algorithms": ["HS256"]}
                    ]
                }
            },
            "public key",
        ),
        ({"broker": {"response_algorithms": ["nonsense"]}}, "broker.response_algorithms.0"),
        ({"broker": {"response_algorithms": ["RSA1_5"]}}, "broker.response_algorithms.0"),
        ({"admin": {"identity_providers": [{"name": "a"}]}}, "exactly one of public_key_file"),
        ({"admin": {"access": [{"role": "owner", "methods": [], "paths": ["/**"]}]}}, "methods"),
    ],
)
def test_refuses(parts: dict[str, Any], fault: str) -> None:
    """A bad setting is refused, and the fault names it."""
    with pytest.raises(ConfigError) as caught:
        parse(**parts)
    assert any(fault in each for each in caught.value.faults)


def test_lists_every_fault_of_every_part() -> None:
    """One bad part does not hide another's."""
    with pytest.raises(ConfigError) as caught:
        parse(
            roles=["x"],
            server={"bind": ["0.0.0.0:80"]},
            attestation={"verifiers": ["sample"]},
            extra=1,
        )
    parts = {fault.split(":")[0].split(".")[0] for fault in caught.value.faults}
    assert parts == {"roles", "server", "attestation", "extra"}


def test_nothing_weakens_by_default() -> None:
    """Minimal settings turn on nothing insecure."""
    assert insecure_settings(parse()) == []


def test_weakening_settings_are_named() -> None:
    """Whatever weakens is found, wherever it stands."""
    settings = parse(
        server={"insecure_http": True, "bind": ["0.0.0.0:80"]},
        attestation={"insecure_allow_sample": True},
        broker={"insecure_rsa1_5": True},
    )
    assert insecure_settings(settings) == [
        "server.insecure_http",
        "attestation.insecure_allow_sample",
        "broker.insecure_rsa1_5",
    ]


def test_the_environment_overrides_the_file() -> None:
    """VOUCHGATE_SERVER__WORKERS is server.workers."""
    settings = parse_settings(MINIMAL, {"VOUCHGATE_SERVER__WORKERS": "7", "OTHER": "x"})
    assert settings.server.workers == 7


def test_a_misspelt_variable_is_a_fault() -> None:
    """An override that overrides nothing is not ignored."""
    with pytest.raises(ConfigError, match="no such setting"):
        parse_settings(MINIMAL, {"VOUCHGATE_SERVER__WORKRES": "7"})


def test_a_missing_file_is_a_fault(tmp_path: Path) -> None:
    """The path stands in the message."""
    with pytest.raises(ConfigError, match=r"nowhere\.toml"):
        load_settings(tmp_path / "nowhere.toml")


def test_a_file_that_is_no_toml_is_a_fault(tmp_path: Path) -> None:
    """So is a file that does not parse."""
    path = tmp_path / "bad.toml"
    path.write_text("roles = [", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"bad\.toml"):
        load_settings(path)


@pytest.mark.parametrize("content", ["", "zz", "ab" * 31, "ab" * 33])
def test_refuses_a_bad_key_without_showing_it(tmp_path: Path, content: str) -> None:
    """A key-encryption key is 64 hex digits, and its file's content never shows."""
    path = tmp_path / "kek"
    path.write_text(content, encoding="ascii")
    with pytest.raises(ConfigError) as caught:
        read_key_encryption_keys(SealingSettings(keys=(f"file:{path}",)))
    assert not content or content not in str(caught.value)


def test_reads_keys_from_file_and_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The order of the settings is the order of the keys."""
    path = tmp_path / "kek"
    path.write_text("ab" * 32 + "\n", encoding="ascii")
    monkeypatch.setenv("KEK", "cd" * 32)
    keys = read_key_encryption_keys(SealingSettings(keys=("env:KEK", f"file:{path}")))
    assert keys == [b"\xcd" * 32, b"\xab" * 32]


def test_the_public_address_has_no_trailing_slash() -> None:
    """Addresses are built by appending to it."""
    settings = parse(server={"public_url": "https://kbs.example/"})
    assert settings.public_url == "https://kbs.example"
    assert settings.token_issuer == "https://kbs.example"
