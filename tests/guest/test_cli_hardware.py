"""The commands about hardware: evidence of devices, measurements, the TPM's key, the doctor."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from bare_machine import bare_settings
from emulated_tdx import EmulatedTDX
from software_tpm import SoftwareTPM

from guest.cli import main
from guest.wiring import Outside

EVENT = ["example.org", "start", '{"image":"a"}']


@pytest.fixture
def config(tmp_path: Path) -> Any:
    """Writes a configuration for a bare machine with some paths and settings."""

    def write(devices: dict[str, str] | None = None, **members: Any) -> str:
        table = bare_settings(tmp_path / "none") | {"event_log": str(tmp_path / "log")}
        path = tmp_path / "guest.json"
        path.write_text(json.dumps({"devices": table | (devices or {}), **members}))
        return str(path)

    return write


@pytest.fixture
def tdx(config: Any, tmp_path: Path, clock: Any) -> Any:
    """Runs a command in a TDX guest."""
    kernel = EmulatedTDX("tdx_guest", lambda _: b"quote")
    paths = {"tsm_report": str(tmp_path), "tdx_measurements": str(tmp_path)}

    def run(*arguments: str, **members: Any) -> int:
        command, *rest = arguments
        file = config(paths, **members)
        return main([command, "--config", file, *rest], Outside(clock, kernel))

    return run


@pytest.mark.parametrize(
    ("arguments", "exit_code", "code"),
    [
        (["measure", *EVENT], 7, "measurement-not-enabled"),
        (["measure", "a b", "o", "c"], 6, "event-malformed"),
        (["measure", "d", "o", "c\nd"], 6, "event-malformed"),
        (["attestation-key"], 10, "tee-not-found"),
    ],
)
def test_says_what_is_wrong(
    tdx: Any, capfd: Any, arguments: list[str], exit_code: int, code: str
) -> None:
    """With an exit status of its own."""
    assert tdx(*arguments, "--json") == exit_code
    assert json.loads(capfd.readouterr().err)["error"]["code"] == code


def test_a_tee_without_registers_is_said(config: Any, capfd: Any) -> None:
    """The sample TEE."""
    file = config(eventlog_config={"enable_eventlog": True})
    assert main(["measure", "--config", file, "--insecure-sample", *EVENT]) == 14
    assert "measurement-not-supported" in capfd.readouterr().err


def test_a_log_that_explains_nothing_is_said(tdx: Any, capfd: Any, tmp_path: Path) -> None:
    """A damaged intention stops measuring and attesting alike."""
    (tmp_path / ".wal_event_entry").write_bytes(b"?")
    on = {"eventlog_config": {"enable_eventlog": True}}
    assert tdx("measure", *EVENT, **on) == 15
    assert tdx("evidence", **on) == 15
    assert "event-log-broken" in capfd.readouterr().err


def test_measures(tdx: Any, capfd: Any) -> None:
    """The register's value, or all of it as JSON."""
    on = {"eventlog_config": {"enable_eventlog": True}}
    assert tdx("measure", *EVENT, **on) == 0
    first = bytes.fromhex(capfd.readouterr().out)
    assert len(first) == 48
    assert tdx("measure", *EVENT, "--json", **on) == 0
    made = json.loads(capfd.readouterr().out)
    expected = hashlib.sha384(first + bytes.fromhex(made["digest"])).hexdigest()
    assert (made["pcr"], made["index"], made["value"]) == (17, 4, expected)
    assert tdx("measure", *EVENT, "--pcr", "8", "--json", **on) == 0
    assert json.loads(capfd.readouterr().out)["index"] == 3


def test_prints_evidence_of_devices(tdx: Any, capfd: Any) -> None:
    """One object by TEE name, or an empty line without devices."""
    assert tdx("evidence", "--devices") == 0
    assert capfd.readouterr().out == "\n"
    arguments = ["evidence", "--devices", "--report-data", "00", "--json"]
    assert tdx(*arguments, insecure_sample_device=True) == 0
    shown = json.loads(capfd.readouterr().out)
    assert shown["tees"] == ["sampledevice"]
    assert shown["evidence"] == {"sampledevice": {"svn": "2", "report_data": "AA=="}}


def test_makes_and_prints_the_key_of_a_tpm(tpm: SoftwareTPM, config: Any, capfd: Any) -> None:
    """Made only when it is told to, and then the same each time."""
    file = config({"tpm": str(tpm.path)}, tpm={"ak_handle": "0x81010077"})
    command = ["attestation-key", "--config", file]
    assert main(command) == 11
    assert main([*command, "--make"]) == 0
    first = capfd.readouterr().out
    assert main([*command, "--make", "--json"]) == 0
    shown = json.loads(capfd.readouterr().out)
    assert first == f"{shown['sha256']}\n"
    assert shown["ak_public"].startswith("MIIB")


def findings(capfd: Any) -> dict[str, Any]:
    """What the doctor found, by check."""
    return {each["check"]: each for each in json.loads(capfd.readouterr().out)["findings"]}


def test_the_doctor_looks_at_a_tpm(
    tpm: SoftwareTPM, config: Any, capfd: Any, tmp_path: Path
) -> None:
    """It tells what to enrol, and binds nothing by looking."""
    init_data = tmp_path / "init.toml"
    init_data.write_text('version = "0.1.0"\nalgorithm = "sha256"\n[data]\n')
    file = config(
        {"tpm": str(tpm.path)},
        init_data_file=str(init_data),
        eventlog_config={"enable_eventlog": True},
    )
    main(["doctor", "--config", file, "--json"])
    found = findings(capfd)
    assert found["tee"]["detail"] == "tpm"
    assert found["evidence"]["state"] == "ok"
    with tpm.talk() as words:
        assert words.read_pcrs(1 << 8)[8] == bytes(32)
    assert "PCR 8" in found["init-data"]["detail"]
    assert main(["attestation-key", "--config", file]) == 0
    assert capfd.readouterr().out.strip() in found["attestation-key"]["detail"]
    assert found["event-log"]["code"] == "config-invalid"
    assert f"tpm ({tpm.path})" in found["devices"]["detail"]


def test_the_doctor_looks_at_devices_and_logs(tdx: Any, capfd: Any, tmp_path: Path) -> None:
    """Each device is asked for evidence; a log that is behind is said and left alone."""
    on = {"eventlog_config": {"enable_eventlog": True}, "insecure_sample_device": True}
    tdx("doctor", "--json", **on)
    found = findings(capfd)
    assert found["device-tees"]["detail"] == "sampledevice"
    assert found["sampledevice-evidence"]["state"] == "ok"
    assert found["event-log"]["detail"] == "explains the register"
    (tmp_path / ".wal_event_entry").write_bytes(b"?")
    tdx("doctor", "--json", **on)
    assert findings(capfd)["event-log"]["code"] == "event-log-broken"
    tdx("doctor", "--json", device_tees=["snp"])
    assert findings(capfd)["device-tees"]["code"] == "config-invalid"
