"""The README's walk: ``vouchgate demo``, the guest's two commands, and a second run."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from processes import Server, free_port, running, start, vouchgate, vouchgate_guest


@pytest.fixture
def port() -> int:
    """The port of the demo."""
    return free_port()


@pytest.fixture
def demo(tmp_path: Path, port: int) -> Iterator[Server]:
    """A running demo with its state in ``tmp_path/var``."""
    with running(command(tmp_path, port), f"http://127.0.0.1:{port}", tmp_path / "log") as server:
        yield server


def command(folder: Path, port: int) -> list[str]:
    """What ``make run`` runs."""
    return vouchgate("demo", "--state", str(folder / "var"), "--port", str(port))


def guest(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    """The guest's command."""
    return subprocess.run(vouchgate_guest(*arguments), capture_output=True, timeout=60, check=False)


def test_both_models_fetch_the_demo_secret(demo: Server) -> None:
    """The two commands of the README print the same secret."""
    secret = "kbs:///default/demo/secret"
    background = guest("get-resource", "--insecure-sample", "--kbs-url", demo.url, secret)
    assert background.returncode == 0, background.stderr
    passport = guest(
        "get-resource",
        "--insecure-sample",
        "--model",
        "passport",
        "--as-url",
        demo.url,
        "--kbs-url",
        demo.url,
        secret,
    )
    assert passport.returncode == 0, passport.stderr
    assert (
        background.stdout == passport.stdout == b"a secret that only an attested guest can read\n"
    )


def test_the_announcement_has_everything(demo: Server, tmp_path: Path) -> None:
    """Console, one-time password, admin token and the guest's command are printed."""
    text = demo.log.read_text()
    assert f"{demo.url}/console/" in text
    assert re.search(r"one-time password \S{16,}", text)
    assert str(tmp_path / "var" / "admin-token") in text
    assert "vouchgate-guest get-resource" in text
    assert (tmp_path / "var" / "admin-token").stat().st_mode & 0o077 == 0


def test_a_second_run_finds_everything(tmp_path: Path, port: int) -> None:
    """Ctrl-C ends it cleanly; what was there is there again, the password is not printed again."""
    url, log = f"http://127.0.0.1:{port}", tmp_path / "log"
    secret = ("get-resource", "--insecure-sample", "--kbs-url", url, "kbs:///default/demo/secret")
    with running(command(tmp_path, port), url, log) as server:
        first = guest(*secret).stdout
        token = (tmp_path / "var" / "admin-token").read_text()
        assert server.stop() == 0
    log.write_text("")
    with running(command(tmp_path, port), url, log):
        assert guest(*secret).stdout == first != b""
        assert (tmp_path / "var" / "admin-token").read_text() == token
        assert "one-time password" not in log.read_text()


def test_a_guest_without_a_tee_must_say_so(demo: Server) -> None:
    """Nothing falls back to the sample TEE silently."""
    done = guest("get-resource", "--kbs-url", demo.url, "kbs:///default/demo/secret")
    assert done.returncode != 0
    assert b"tee-not-found" in done.stderr


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_a_server_that_is_ended_at_once_ends_cleanly(
    tmp_path: Path, port: int, sent: signal.Signals
) -> None:
    """Ctrl-C reaches every process, some of which still start; that is no failure."""
    server = start(command(tmp_path, port), f"http://127.0.0.1:{port}", tmp_path / "log")
    os.killpg(server.process.pid, sent)
    assert server.process.wait(30) == 0
