"""Settings of key management services."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from guest.errors import ConfigError
from guest.kms_settings import DEFAULT_CREDENTIALS_FOLDER
from guest.settings import load_settings, parse_settings


@pytest.mark.parametrize(
    ("table", "key"),
    [
        (5, "kms"),
        ({"acme": {}}, "kms.acme"),
        ({"aws": "x"}, "kms.aws"),
        ({"aws": {"region": "x"}}, "kms.aws.region"),
        ({"aws": {"module": "/x.so"}}, "kms.aws.module"),
        ({"aws": {"authority": "https://x"}}, "kms.aws.authority"),
        ({"aws": {"endpoint": "http://10.0.0.1"}}, "kms.aws.endpoint"),
        ({"aws": {"endpoint": "https://user@x"}}, "kms.aws.endpoint"),
        ({"aws": {"cert": "/nonexistent.pem"}}, "kms.aws.cert"),
        ({"kmip": {"endpoint": "https://x"}}, "kms.kmip.endpoint"),
        ({"kmip": {"endpoint": "x:0"}}, "kms.kmip.endpoint"),
        ({"kmip": {"endpoint": "x:65536"}}, "kms.kmip.endpoint"),
        ({"kmip": {"endpoint": "user@x:1"}}, "kms.kmip.endpoint"),
        ({"kmip": {"module": "/x.so"}}, "kms.kmip.module"),
        ({"pkcs11": {"endpoint": "https://x"}}, "kms.pkcs11.endpoint"),
        ({"credentials_folder": ""}, "kms.credentials_folder"),
        ({"timeout_seconds": 0}, "kms.timeout_seconds"),
    ],
)
def test_refuses(table: Any, key: str) -> None:
    """Unknown names and wrong values, by their key."""
    with pytest.raises(ConfigError) as caught:
        parse_settings({"kms": table})
    assert f"{key}: " in str(caught.value)


def test_each_provider_has_a_folder_of_its_own() -> None:
    """Where stock guests have it."""
    access = parse_settings({}).kms.access("aws")
    assert access.folder == DEFAULT_CREDENTIALS_FOLDER / "aws"
    assert (access.endpoint, access.root_certificates) == (None, None)


def test_reads_what_settings_say() -> None:
    """Of all, and of one."""
    table = {
        "credentials_folder": "/c",
        "timeout_seconds": 3,
        "aws": {"endpoint": "https://vpc.example/"},
        "pkcs11": {"module": "/lib/token.so", "credentials_folder": "/pins"},
    }
    kms = parse_settings({"kms": table}).kms
    assert kms.access("aws").folder == Path("/c/aws")
    assert kms.access("aws").endpoint == "https://vpc.example"
    assert kms.access("gcp").folder == Path("/c/gcp")
    assert {kms.access(name).timeout_seconds for name in ("aws", "gcp", "pkcs11")} == {3.0}
    assert kms.access("pkcs11").module == Path("/lib/token.so")
    assert kms.access("pkcs11").folder == Path("/pins")


@pytest.mark.parametrize("endpoint", ["kmip.example:5696", "127.0.0.1:1", "[::1]:65535"])
def test_a_kmip_server_is_a_host_and_a_port(endpoint: str) -> None:
    """There is no URL for it."""
    kms = parse_settings({"kms": {"kmip": {"endpoint": endpoint}}}).kms
    assert kms.access("kmip").endpoint == endpoint


def test_upstreams_variables_name_folders(tmp_path: Path) -> None:
    """Where the file says nothing."""
    variables = {"AWS_IN_GUEST_KEY_PATH": "/a", "ALIYUN_IN_GUEST_KEY_PATH": "/b"}
    kms = load_settings(None, {}, variables, tmp_path / "cmdline").kms
    assert (kms.access("aws").folder, kms.access("aliyun").folder) == (Path("/a"), Path("/b"))
    flags = {"kms": {"aws": {"credentials_folder": "/mine"}}}
    kms = load_settings(None, flags, variables, tmp_path / "cmdline").kms
    assert (kms.access("aws").folder, kms.access("aliyun").folder) == (Path("/mine"), Path("/b"))
