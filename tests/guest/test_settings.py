"""Settings of the guest."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from certificates import Authority

from guest.devices.paths import DevicePaths
from guest.errors import ConfigError
from guest.settings import ServiceSettings, load_settings, parse_settings

LOOPBACK = "http://127.0.0.1:8080"


def kbs(**members: Any) -> dict[str, Any]:
    """A configuration of a KBS alone."""
    return {"token_configs": {"kbs": {"url": LOOPBACK, **members}}}


@pytest.fixture
def pem(tmp_path: Path) -> str:
    """A root certificate."""
    return Authority.make(tmp_path, "root").file.read_text(encoding="ascii")


@pytest.mark.parametrize(
    ("url", "fault"),
    [
        ("http://10.0.0.1", "loopback"),
        ("http://kbs.example", "loopback"),
        ("http://127.0.0.1.example", "loopback"),
        ("http://0.0.0.0:80", "loopback"),
        ("ftp://127.0.0.1", "http"),
        ("127.0.0.1:8080", "http"),
        ("http://", "http"),
        ("http://user:password@127.0.0.1", "nothing more"),
        ("http://127.0.0.1/?a=b", "nothing more"),
        ("http://127.0.0.1/#a", "nothing more"),
        ("http://127.0.0.1:99999", "no URL"),
        ("http://127.0.0.1:0", "no URL"),
        ("http://[::1", "no URL"),
        ("http://127.0.0.1/a b", "no URL"),
        ("https://kbs.example", "root certificates"),
        ("https://127.0.0.1", "root certificates"),
    ],
)
def test_refuses_a_server_that_cannot_be_trusted(url: str, fault: str) -> None:
    """Plain HTTP stays on loopback, and TLS needs roots."""
    with pytest.raises(ConfigError, match=fault):
        parse_settings(kbs(url=url))


def test_refuses_roots_of_both_kinds(pem: str) -> None:
    """Pinned means: no system roots beside it."""
    with pytest.raises(ConfigError, match="not both"):
        parse_settings(kbs(url="https://kbs.example", cert=pem, system_roots=True))


@pytest.mark.parametrize("text", ["-----BEGIN CERTIFICATE-----\nAA\n", "no certificate"])
def test_refuses_roots_that_are_no_certificates(tmp_path: Path, text: str) -> None:
    """A file or a text without a certificate would pin nothing."""
    file = tmp_path / "roots.pem"
    file.write_text(text, encoding="ascii")
    with pytest.raises(ConfigError, match="cert"):
        parse_settings(kbs(url="https://kbs.example", cert=str(file)))


def test_lists_every_fault() -> None:
    """One start, all faults, each with its key."""
    document = {
        "model": "passport ",
        "insecure_sample": "yes",
        "timeout_seconds": 0,
        "unknown": 1,
        "init_data_file": "/nonexistent",
        "log": {"level": "loud"},
        "devices": {"tsm_report": 1, "gpu": "x"},
        "kbc": {"name": "offline_fs_kbc", "url": LOOPBACK},
        "token_configs": {"kbs": {"cert": "/nonexistent", "tee_key_algorithm": "x"}, "else": {}},
    }
    with pytest.raises(ConfigError) as caught:
        parse_settings(document)
    keys = {fault.partition(":")[0] for fault in caught.value.faults}
    assert keys == {
        "model",
        "insecure_sample",
        "timeout_seconds",
        "unknown",
        "init_data_file",
        "log.level",
        "devices.tsm_report",
        "devices.gpu",
        "kbc.name",
        "token_configs.kbs.url",
        "token_configs.kbs.cert",
        "token_configs.kbs.tee_key_algorithm",
        "token_configs.else",
    }


@pytest.mark.parametrize("content", [b"", b"version = 1", b"\xff", b"x" * (1024 * 1024 + 1)])
def test_refuses_init_data_that_is_none(tmp_path: Path, content: bytes) -> None:
    """It would be refused by every server."""
    file = tmp_path / "init.toml"
    file.write_bytes(content)
    with pytest.raises(ConfigError, match="init_data_file"):
        parse_settings({"init_data_file": str(file)})


@pytest.mark.parametrize(
    ("name", "text"),
    [("a.toml", "= 1"), ("a.json", "{"), ("a.json", '{"a":1,"a":2}'), ("a.toml", "\xff" * 9)],
)
def test_refuses_a_file_that_does_not_parse(tmp_path: Path, name: str, text: str) -> None:
    """TOML, or JSON by the end of its name."""
    file = tmp_path / name
    file.write_bytes(text.encode("latin-1"))
    with pytest.raises(ConfigError):
        load_settings(file, {}, {})


def test_refuses_a_file_that_is_not_there(tmp_path: Path) -> None:
    """Named and missing is a fault, not an empty configuration."""
    with pytest.raises(ConfigError):
        load_settings(tmp_path / "none.toml", {}, {})


def test_nothing_insecure_by_default() -> None:
    """No sample, no missing nonce, no server."""
    settings = parse_settings({})
    assert not settings.insecure_sample
    assert not settings.insecure_no_nonce
    assert settings.resources is None
    assert settings.devices == DevicePaths()


@pytest.mark.parametrize(
    "url", ["http://localhost:1", "http://[::1]:8080", "http://127.8.8.8", "http://127.0.0.1/a/"]
)
def test_takes_plain_http_on_loopback(url: str) -> None:
    """Without a trailing slash, as paths are appended."""
    settings = parse_settings(kbs(url=url))
    assert settings.resources == ServiceSettings(url.rstrip("/"))


def test_takes_roots_inline_or_from_a_file(tmp_path: Path, pem: str) -> None:
    """The AS and the KBS have their own."""
    file = tmp_path / "kbs.pem"
    file.write_text(pem, encoding="ascii")
    services = {
        "coco_as": {"url": "https://as.example", "cert": pem},
        "kbs": {"url": "https://kbs.example", "cert": str(file)},
    }
    settings = parse_settings({"token_configs": services})
    assert settings.attestation_service == ServiceSettings("https://as.example", pem)
    assert settings.key_broker == settings.resources == ServiceSettings("https://kbs.example", pem)
    assert settings.model == "passport"


def test_takes_system_roots_when_they_are_asked_for() -> None:
    """In so many words."""
    settings = parse_settings(kbs(url="https://kbs.example", system_roots=True))
    assert settings.key_broker == ServiceSettings("https://kbs.example", None)


def test_reads_the_keys_of_the_data_hub() -> None:
    """guest.md 7.1: ``kbc`` names the KBS of resources; the agent's may be another."""
    document = kbs(tee_key_algorithm="ECDH-ES+A256KW-P521")
    document["kbc"] = {"name": "cc_kbc", "url": "http://127.0.0.1:9090"}
    settings = parse_settings(document)
    assert settings.key_broker is not None
    assert settings.key_broker.tee_key_algorithm == "ECDH-ES+A256KW-P521"
    assert settings.resources == ServiceSettings("http://127.0.0.1:9090")
    alone = parse_settings({"kbc": {"url": LOOPBACK}})
    assert alone.key_broker == alone.resources == ServiceSettings(LOOPBACK)


def test_flags_go_over_the_file(tmp_path: Path) -> None:
    """Table by table, value by value."""
    file = tmp_path / "guest.json"
    file.write_text(json.dumps({**kbs(tee_key_algorithm="RSA-OAEP-256"), "tee": "snp"}))
    overrides = {"tee": "tdx", "token_configs": {"kbs": {"url": "http://127.0.0.1:1"}}}
    settings = load_settings(file, overrides, {})
    assert settings.tee == "tdx"
    assert settings.key_broker == ServiceSettings("http://127.0.0.1:1", None, "RSA-OAEP-256")


def test_reads_toml_whatever_the_ending(tmp_path: Path) -> None:
    """``.conf`` is what upstream documents and does not read (guest.md 2.2)."""
    init_data = tmp_path / "init.toml"
    init_data.write_bytes(b'version = "1"\r\nalgorithm = "sha384"\r\n[data]\r\n')
    file = tmp_path / "guest.conf"
    file.write_text(f'init_data_file = "{init_data}"\n[devices]\ntsm_report = "/t"\n')
    settings = load_settings(file, {}, {})
    assert settings.init_data == 'version = "1"\r\nalgorithm = "sha384"\r\n[data]\r\n'
    assert settings.devices == DevicePaths(tsm_report=Path("/t"))


@pytest.mark.parametrize(
    ("text", "url"),
    [
        (f"cc_kbc::{LOOPBACK}", LOOPBACK),
        ("offline_fs_kbc::", None),
        (f"offline_fs_kbc::{LOOPBACK}", None),
        ("", None),
    ],
)
def test_upstreams_variable_names_the_kbs(text: str, url: str | None) -> None:
    """Only when nothing else does (guest.md 2.2)."""
    settings = load_settings(None, {}, {"AA_KBC_PARAMS": text})
    assert (settings.resources and settings.resources.url) == url
    other = load_settings(None, kbs(url="http://127.0.0.1:1"), {"AA_KBC_PARAMS": text})
    assert other.resources == ServiceSettings("http://127.0.0.1:1")


def test_a_malformed_variable_is_a_fault() -> None:
    """An empty address is not ignored."""
    with pytest.raises(ConfigError):
        load_settings(None, {}, {"AA_KBC_PARAMS": "cc_kbc"})


@pytest.mark.parametrize(
    ("document", "key"),
    [
        ({"skip_sealed_secret_verification": True}, "skip_sealed_secret_verification"),
        ({"sealed_secrets": {"trusted_key_ids": "x"}}, "sealed_secrets.trusted_key_ids"),
        ({"sealed_secrets": {"other": 1}}, "sealed_secrets.other"),
        (
            {"sealed_secrets": {"trusted_key_ids": [], "insecure_any_key": True}},
            "sealed_secrets.insecure_any_key",
        ),
        ({"api": {"bind": "0.0.0.0:8006"}}, "api.bind"),
        ({"api": {"bind": "[::]:8006"}}, "api.bind"),
        ({"api": {"bind": "10.0.0.1:8006"}}, "api.bind"),
        ({"api": {"bind": "localhost:8006"}}, "api.bind"),
        ({"api": {"bind": "127.0.0.1"}}, "api.bind"),
        ({"api": {"bind": "127.0.0.1:65536"}}, "api.bind"),
        ({"api": {"bind": "127.0.0.1:-1"}}, "api.bind"),
        ({"api": {"bind": "127.0.0.1:8006", "socket": "/run/x"}}, "api.bind"),
        ({"api": {"allowed_uids": [1]}}, "api.allowed_uids"),
        ({"api": {"socket": "/run/x", "allowed_uids": [-1]}}, "api.allowed_uids"),
        ({"api": {"socket": "/run/x", "allowed_uids": [2**32 - 1]}}, "api.allowed_uids"),
        ({"api": {"features": "everything"}}, "api.features"),
        ({"api": {"insecure_expose_tee_key": 1}}, "api.insecure_expose_tee_key"),
    ],
)
def test_refuses_what_opens_too_much(document: dict[str, Any], key: str) -> None:
    """By its key; upstream's name for skipping the check is no setting here."""
    with pytest.raises(ConfigError) as caught:
        parse_settings(document)
    assert [fault for fault in caught.value.faults if fault.startswith(f"{key}:")]


def test_nothing_is_open_by_default() -> None:
    """Signatures are checked, no resource is believed as a key, the API is on loopback."""
    plain = parse_settings({})
    assert plain.sealed_secrets.trusted_key_ids is None
    assert not plain.sealed_secrets.insecure_any_key
    assert not plain.sealed_secrets.insecure_skip_verification
    assert (plain.api.host, plain.api.port, plain.api.features) == ("127.0.0.1", 8006, "resource")
    assert (plain.api.socket, plain.api.insecure_expose_tee_key) == (None, False)


def test_reads_sealed_secrets_and_api(tmp_path: Path) -> None:
    """Every setting of both tables."""
    read = parse_settings(
        {
            "insecure_skip_sealed_secret_verification": True,
            "sealed_secrets": {"keys_folder": str(tmp_path), "trusted_key_ids": ["a"]},
            "api": {"socket": "/run/x", "allowed_uids": [0, 7], "features": "all"},
        }
    )
    assert read.sealed_secrets.keys_folder == tmp_path
    assert read.sealed_secrets.trusted_key_ids == frozenset({"a"})
    assert read.sealed_secrets.insecure_skip_verification
    assert (read.api.socket, read.api.allowed_uids) == (Path("/run/x"), frozenset({0, 7}))
    assert read.api.features == "all"
    bound = parse_settings({"api": {"bind": "[::1]:0"}}).api
    assert (bound.host, bound.port) == ("::1", 0)


@pytest.mark.parametrize(
    ("tables", "fault"),
    [
        ({"credentials": {}}, "list of tables"),
        ({"credentials": ["kbs:///a/b/c"]}, "list of tables"),
        ({"credentials": [{}]}, r"credentials\[0\].path"),
        ({"credentials": [{"path": "/run/c/a", "resource_uri": "a/b/c"}]}, "resource_uri"),
        ({"credentials": [{"path": "/run/cX/a", "resource_uri": "kbs:///a/b/c"}]}, "below"),
        ({"credentials": [{"path": "/run/c", "resource_uri": "kbs:///a/b/c"}]}, "below"),
        ({"credentials": [{"path": "/run/c/../x", "resource_uri": "kbs:///a/b/c"}]}, "below"),
        ({"credentials": [{"path": "/run/c/a", "resource_uri": "kbs:///a/b/c"}] * 2}, "twice"),
        ({"credentials": [{"path": "/run/c/a", "resource_uri": "kbs:///a/b/c", "m": 1}]}, "no set"),
        ({"credentials_folder": "run"}, "absolute"),
        ({"volumes_folder": "/run/../etc"}, "absolute"),
        ({"rpc": {"insecure_mount_for_anyone": True}}, "needs secure_mount"),
    ],
)
def test_refuses_files_of_the_hub(tables: dict[str, Any], fault: str) -> None:
    """Each with its key."""
    with pytest.raises(ConfigError, match=fault):
        parse_settings({"credentials_folder": "/run/c", **tables})


def test_credentials_of_the_kernels_command_line(tmp_path: Path) -> None:
    """As stock guests write them; a file of settings stands for itself."""
    place = "/run/confidential-containers/cdh/kbs"
    line = tmp_path / "cmdline"
    line.write_text(f"quiet cdh.kbs_resources=kbs:///a/b/c::{place}/1,kbs:///a/b/d::{place}/2\n")
    settings = load_settings(None, {}, {}, line)
    assert [(str(each.path), each.resource_uri) for each in settings.hub.credentials] == [
        (f"{place}/1", "kbs:///a/b/c"),
        (f"{place}/2", "kbs:///a/b/d"),
    ]
    (tmp_path / "guest.toml").write_text("")
    assert load_settings(tmp_path / "guest.toml", {}, {}, line).hub.credentials == ()
    line.write_text("cdh.kbs_resources=kbs:///a/b/c\n")
    with pytest.raises(ConfigError, match="path"):
        load_settings(None, {}, {}, line)
