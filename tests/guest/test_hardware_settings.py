"""Settings of the hardware."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from guest.errors import ConfigError
from guest.hardware_settings import EventLogSettings
from guest.settings import load_settings, parse_settings

NO_KERNEL = Path("/nonexistent")
FIRST = "agent.aa_kbc_params=cc_kbc::http://127.0.0.1:1"


@pytest.mark.parametrize(
    ("document", "key"),
    [
        ({"eventlog_config": {"init_pcr": 24}}, "eventlog_config.init_pcr"),
        ({"eventlog_config": {"init_pcr": -1}}, "eventlog_config.init_pcr"),
        ({"eventlog_config": {"init_pcr": True}}, "eventlog_config.init_pcr"),
        ({"eventlog_config": {"init_pcr": "17"}}, "eventlog_config.init_pcr"),
        ({"eventlog_config": {"enable_eventlog": 1}}, "eventlog_config.enable_eventlog"),
        ({"eventlog_config": {"folder": "/run"}}, "eventlog_config.folder"),
        ({"eventlog_config": 1}, "eventlog_config"),
        ({"tpm": {"ak_handle": "ak"}}, "tpm.ak_handle"),
        ({"tpm": {"ak_handle": "0x80000000"}}, "tpm.ak_handle"),
        ({"tpm": {"ak_handle": 0x81010002}}, "tpm.ak_handle"),
        ({"tpm": {"handle": "0x81010002"}}, "tpm.handle"),
        ({"azure": {"metadata_url": "http://10.0.0.1"}}, "azure.metadata_url"),
        ({"azure": {"metadata_url": "http://metadata.example"}}, "azure.metadata_url"),
        ({"azure": {"metadata_url": "https://169.254.169.254"}}, "azure.metadata_url"),
        ({"azure": {"metadata_url": "http://169.254.169.254:0"}}, "azure.metadata_url"),
        ({"azure": {"metadata_url": "http://u@169.254.169.254"}}, "azure.metadata_url"),
        ({"azure": {"metadata_url": "http://169.254.169.254?a"}}, "azure.metadata_url"),
        ({"azure": {"metadata_url": "http://[::1"}}, "azure.metadata_url"),
        ({"device_tees": "nvidia"}, "device_tees"),
        ({"devices": {"tpm": ""}}, "devices.tpm"),
        ({"devices": {"tpm2": "/dev/tpm2"}}, "devices.tpm2"),
    ],
    ids=str,
)
def test_refuses_other_values(document: dict[str, Any], key: str) -> None:
    """Each with its key."""
    with pytest.raises(ConfigError) as caught:
        parse_settings(document)
    (fault,) = caught.value.faults
    assert fault.startswith(f"{key}: ")


def test_measures_nothing_by_default() -> None:
    """Nor does a device attest that was not found."""
    settings = parse_settings({})
    assert settings.event_log == EventLogSettings()
    assert not settings.event_log.enabled
    assert settings.device_tees is None
    assert not settings.insecure_sample_device


def test_reads_the_keys_of_stock_guests() -> None:
    """guest.md 2.2."""
    settings = parse_settings(
        {
            "eventlog_config": {"init_pcr": 11, "enable_eventlog": True},
            "tpm": {"ak_handle": "0x81000003"},
            "azure": {"metadata_url": "http://127.0.0.1:8081/"},
            "device_tees": ["nvidia"],
            "devices": {"tpm": "/dev/tpm0"},
        }
    )
    assert settings.event_log == EventLogSettings(True, 11)
    assert settings.ak_handle == 0x81000003
    assert settings.azure_metadata == "http://127.0.0.1:8081"
    assert settings.device_tees == ("nvidia",)
    assert settings.devices.tpm == Path("/dev/tpm0")


def test_reads_the_variables_of_stock_guests() -> None:
    """Where nothing else names a TPM; handles with and without their prefix."""
    found = {"AA_TPM_DEVICE": "/dev/tpm1", "AA_TPM_AK_HANDLE": "81000007"}
    settings = load_settings(None, {}, found, NO_KERNEL)
    assert (settings.devices.tpm, settings.ak_handle) == (Path("/dev/tpm1"), 0x81000007)
    flags = {"devices": {"tpm": "/dev/tpm9"}, "tpm": {"ak_handle": "0x81000008"}}
    settings = load_settings(None, flags, found, NO_KERNEL)
    assert (settings.devices.tpm, settings.ak_handle) == (Path("/dev/tpm9"), 0x81000008)
    with pytest.raises(ConfigError, match="ak_handle"):
        load_settings(None, {}, {"AA_TPM_AK_HANDLE": "none"}, NO_KERNEL)


@pytest.mark.parametrize(
    ("line", "url"),
    [
        (f"quiet {FIRST} ro", "http://127.0.0.1:1"),
        (f"{FIRST} {FIRST.replace(':1', ':2')}", "http://127.0.0.1:2"),
        ("agent.aa_kbc_params=offline_fs_kbc::null", None),
        (f"x{FIRST}", None),
        ("", None),
    ],
)
def test_the_kernels_command_line_names_the_kbs(tmp_path: Path, line: str, url: str | None) -> None:
    """Last, and only without a configuration file, as in stock guests."""
    kernel = tmp_path / "cmdline"
    kernel.write_text(f"{line}\n")
    settings = load_settings(None, {}, {}, kernel)
    assert (settings.key_broker.url if settings.key_broker else None) == url
    variable = {"AA_KBC_PARAMS": "cc_kbc::http://127.0.0.1:9"}
    settings = load_settings(None, {}, variable, kernel)
    assert settings.key_broker is not None
    assert settings.key_broker.url == "http://127.0.0.1:9"
    file = tmp_path / "aa.conf"
    file.write_text('tee = "tdx"\n')
    assert load_settings(file, {}, {}, kernel).key_broker is None


def test_a_malformed_command_line_is_a_fault(tmp_path: Path) -> None:
    """Plain HTTP stays on loopback, whoever asks."""
    kernel = tmp_path / "cmdline"
    kernel.write_text("agent.aa_kbc_params=cc_kbc::http://10.0.0.1\n")
    with pytest.raises(ConfigError, match="loopback"):
        load_settings(None, {}, {}, kernel)
