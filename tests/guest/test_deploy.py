"""What ``deploy/guest`` shows: units that systemd accepts, settings and commands that exist."""

from __future__ import annotations

import configparser
import http.client
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from processes import free_port

from guest.cli import main
from guest.serving import AGENT, API, HUB
from guest.settings import load_settings

FOLDER = Path(__file__).parent.parent.parent / "deploy" / "guest"
ROOT = FOLDER.parent.parent
PROGRAM = Path(sys.executable).parent / "vouchgate-guest"
UNITS = sorted(path.name for path in FOLDER.glob("*.socket"))


def unit(name: str) -> configparser.ConfigParser:
    """A unit's sections; of keys that are repeated, the last."""
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string((FOLDER / name).read_text("utf-8"))
    return parser


def test_the_service_keeps_what_its_security_rests_on() -> None:
    """No capabilities, no new privileges, and of the disk nothing to write."""
    service = unit("vouchgate-guest.service")["Service"]
    assert service["CapabilityBoundingSet"] == ""
    assert service["NoNewPrivileges"] == "yes"
    assert service["ProtectSystem"] == "strict"
    assert service["DevicePolicy"] == "closed"
    assert service["LimitCORE"] == "0"


def test_each_socket_has_a_use() -> None:
    """By the names that the program knows, for this service."""
    names = {unit(name)["Socket"]["FileDescriptorName"] for name in UNITS}
    assert names == {API, AGENT, HUB}
    assert {unit(name)["Socket"]["Service"] for name in UNITS} == {"vouchgate-guest.service"}
    assert unit("vouchgate-guest.service")["Service"]["Sockets"].split() == [
        "vouchgate-guest-api.socket",
        "vouchgate-guest-agent.socket",
        "vouchgate-guest-hub.socket",
    ]


def test_the_api_stays_on_loopback_and_sockets_are_stock_ones() -> None:
    """Where programs of stock guests look for them."""
    listens = {unit(name)["Socket"]["ListenStream"] for name in UNITS}
    assert listens == {
        "127.0.0.1:8006",
        "/run/confidential-containers/attestation-agent/attestation-agent.sock",
        "/run/confidential-containers/cdh.sock",
    }


def test_systemd_accepts_the_units(tmp_path: Path) -> None:
    """Without a word; the program is put where it is here."""
    for path in [*FOLDER.glob("*.socket"), *FOLDER.glob("*.service")]:
        text = path.read_text("utf-8").replace("/usr/bin/vouchgate-guest", str(PROGRAM))
        (tmp_path / path.name).write_text(text)
    units = sorted(str(path) for path in tmp_path.iterdir())
    done = subprocess.run(
        ["systemd-analyze", "verify", *units], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_systemd_starts_it_at_the_first_call() -> None:
    """And the call that started it is answered; a crash would leave no memory on the disk."""
    port = free_port()
    command = [PROGRAM, "serve", "--insecure-sample", "--kbs-url", "http://127.0.0.1:1"]
    listen = ["systemd-socket-activate", "-l", f"127.0.0.1:{port}", "--fdname=api"]
    with subprocess.Popen([*listen, *command], stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            assert "Listening" in process.stderr.readline()
            client = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            client.request("GET", "/info")
            assert client.getresponse().status == 200
            limits = Path(f"/proc/{process.pid}/limits").read_text("utf-8")
            assert re.search(r"Max core file size +0 +0 ", limits)
        finally:
            process.terminate()
            process.communicate(timeout=20)
    assert process.returncode == 0


def test_the_settings_load(tmp_path: Path) -> None:
    """As they stand."""
    settings = load_settings(FOLDER / "guest.toml", {}, {}, tmp_path / "cmdline")
    assert settings.api.features == "resource"


def test_the_container_file_copies_what_exists_and_runs_what_exists(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """No container engine builds it here; its sources, paths and command are compared."""
    text = (FOLDER / "Containerfile").read_text("utf-8")
    for source in re.findall(r"^COPY (?!--from)(\S+) ", text, re.MULTILINE):
        assert (ROOT / source).exists(), source
    (command,) = re.findall(r'^CMD \["(.+)"\]$', text, re.MULTILINE)
    words = command.split('", "')
    with pytest.raises(SystemExit) as ended:
        main([words[0], "--help"])
    assert ended.value.code == 0
    assert words[1] in capsys.readouterr().out
    scripts = tomllib.loads((ROOT / "guest" / "pyproject.toml").read_text("utf-8"))["project"][
        "scripts"
    ]
    assert "vouchgate-guest" in scripts
    assert re.search(r"^USER 65534", text, re.MULTILINE)
