"""The README's commands, run as they stand there, against a demo of their own."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from paths import ROOT
from processes import Server, free_port, running, vouchgate

BLOCKS = re.findall(r"```sh\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
BIN = Path(sys.executable).parent


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Path]]:
    """A demo with its state in ``var``, as ``make run`` leaves it."""
    folder = tmp_path_factory.mktemp("readme")
    port = free_port()
    command = vouchgate("demo", "--state", str(folder / "var"), "--port", str(port))
    with running(command, f"http://127.0.0.1:{port}", folder / "log") as server:
        yield server, folder


def shell(block: str, demo: tuple[Server, Path]) -> str:
    """Run a block in the demo's folder, with its port and its programs; what it prints."""
    server, folder = demo
    script = block.replace("http://127.0.0.1:8080", server.url).replace(".venv/bin/", f"{BIN}/")
    done = subprocess.run(
        ["bash", "-euc", script], cwd=folder, capture_output=True, timeout=60, check=False
    )
    assert done.returncode == 0, f"{script}\n{done.stderr.decode()}"
    return done.stdout.decode()


def block_with(text: str) -> str:
    """The one block that holds a text."""
    (found,) = [block for block in BLOCKS if text in block]
    return found


@pytest.mark.parametrize("text", ["--model passport", "--kbs-url http://127.0.0.1:8080 kbs:///"])
def test_both_models(demo: tuple[Server, Path], text: str) -> None:
    """Each block prints the demo secret."""
    blocks = [block for block in BLOCKS if text in block and "demo/secret" in block]
    assert blocks
    for block in blocks:
        assert shell(block, demo) == "a secret that only an attested guest can read\n"


def test_a_secret_of_ones_own(demo: tuple[Server, Path]) -> None:
    """The block stores a secret and fetches it."""
    assert shell(block_with("correct horse"), demo) == "correct horse"


def test_why(demo: tuple[Server, Path]) -> None:
    """The block lists, shows and replays a decision."""
    server, _ = demo
    shell(block_with("--model passport"), demo)
    block = block_with("decisions replay")
    listed = shell(block.partition("\n.venv/bin/vouchgate decisions show")[0], demo)
    decision = listed.splitlines()[0].split("\t")[-1]
    printed = shell(block.replace("DECISION", decision), demo)
    assert '"same": true' in printed
    assert server.process.poll() is None
