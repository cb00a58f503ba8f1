"""Scripts that complete, as a shell runs them."""

from __future__ import annotations

import os
import re
import select
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from guest.cli import PROGRAM, SHELLS, _parser, main
from guest.completion import script


def completed(tmp_path: Path, *words: str) -> list[str]:
    """What bash offers for the last of some words."""
    file = tmp_path / "completion"
    file.write_text(script("bash", _parser()))
    quoted = " ".join(f"'{word}'" for word in (PROGRAM, *words))
    ask = f"source {file}; COMP_WORDS=({quoted}); COMP_CWORD={len(words)}; _vouchgate_guest"
    done = subprocess.run(
        ["bash", "-c", f'{ask}; printf "%s\\n" "${{COMPREPLY[@]}}"'],
        capture_output=True, check=True, text=True,
    )  # fmt: skip
    return done.stdout.split()


def completed_by_fish(tmp_path: Path, line: str) -> list[str]:
    """What fish offers for the last word of a line."""
    file = tmp_path / "completion.fish"
    file.write_text(script("fish", _parser()))
    done = subprocess.run(
        ["fish", "--no-config", "-c", f"source {file}; complete -C '{line}'"],
        capture_output=True, check=True, text=True,
    )  # fmt: skip
    return [offered.partition("\t")[0] for offered in done.stdout.splitlines()]


@contextmanager
def zsh(tmp_path: Path) -> Iterator[Callable[[str], str]]:
    """An interactive zsh with the script: what a line becomes by the tabulator key."""
    file = tmp_path / "completion.zsh"
    file.write_text(script("zsh", _parser()))
    leader, follower = os.openpty()
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "TERM": "dumb"}
    shell = subprocess.Popen(
        ["zsh", "-f", "-i"], stdin=follower, stdout=follower, stderr=follower,
        env=environment | {"COLUMNS": "500"}, start_new_session=True,
    )  # fmt: skip

    def say(keys: str, mark: str) -> str:
        os.write(leader, keys.encode())
        said, end = "", time.monotonic() + 20
        # The mark is echoed as it is typed, too, but not at the beginning of a line.
        while (found := re.search(rf"\n{mark}([^\r\n]*)\r", said)) is None:
            assert time.monotonic() < end, said
            if select.select([leader], [], [], 0.1)[0]:
                said += os.read(leader, 65536).decode("utf-8", "replace")
        return found[1].strip()

    try:
        say(f"autoload -U compinit && compinit -u -D; source {file}; echo READY\n", "READY")
        # Ctrl-A goes back to the beginning of the line, where it becomes an argument of echo.
        yield lambda line: say(f"{line}\t\x01echo DONE \n", "DONE")
    finally:
        shell.kill()
        shell.wait(10)
        os.close(leader)
        os.close(follower)


def test_zsh_completes(tmp_path: Path) -> None:
    """Commands, options and values, as typed; what is no beginning of anything stays."""
    with zsh(tmp_path) as complete:
        assert complete("vouchgate-guest mea") == "vouchgate-guest measure"
        assert complete("vouchgate-guest token --mod") == "vouchgate-guest token --model"
        assert complete("vouchgate-guest token --model pas").endswith("--model passport")
        assert complete("vouchgate-guest seal --provider-s").endswith("--provider-settings")
        assert complete("vouchgate-guest zzz") == "vouchgate-guest zzz"


def test_fish_completes(tmp_path: Path) -> None:
    """The same."""
    assert completed_by_fish(tmp_path, "vouchgate-guest mea") == ["measure"]
    assert {"token", "measure", "doctor"} < set(completed_by_fish(tmp_path, "vouchgate-guest "))
    assert completed_by_fish(tmp_path, "vouchgate-guest token --mod") == ["--model"]
    assert completed_by_fish(tmp_path, "vouchgate-guest token --model p") == ["passport"]
    assert completed_by_fish(tmp_path, "vouchgate-guest completion f") == ["fish"]
    assert completed_by_fish(tmp_path, "vouchgate-guest zzz") == []


def test_refuses_another_shell(capfd: pytest.CaptureFixture[str]) -> None:
    """Three are known."""
    with pytest.raises(SystemExit) as caught:
        main(["completion", "csh"])
    assert caught.value.code == 2
    assert "csh" in capfd.readouterr().err


def test_offers_nothing_for_what_is_no_command(tmp_path: Path) -> None:
    """Nor for the value of an option that may be anything."""
    assert completed(tmp_path, "nonesuch", "") == []
    assert completed(tmp_path, "token", "--config", "") == []


def test_offers_commands(tmp_path: Path) -> None:
    """All of them, or those that begin so."""
    assert {"token", "measure", "doctor", "--help"} < set(completed(tmp_path, ""))
    assert completed(tmp_path, "mea") == ["measure"]


def test_offers_options_and_values(tmp_path: Path) -> None:
    """Of the command that was typed."""
    assert completed(tmp_path, "token", "--kb") == ["--kbs-url", "--kbs-cert", "--kbs"]
    assert completed(tmp_path, "token", "--model", "p") == ["passport"]
    assert completed(tmp_path, "completion", "f") == ["fish"]
    assert "--make" in completed(tmp_path, "attestation-key", "--")


@pytest.mark.parametrize("shell", SHELLS)
def test_prints_a_script_that_the_shell_reads(
    shell: str, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Checked by the shell itself; every command and option is in it."""
    assert main(["completion", shell]) == 0
    text = capfd.readouterr().out
    assert "attestation-key" in text
    assert "insecure-sample" in text
    file = tmp_path / "script"
    file.write_text(text)
    subprocess.run([shell, "-n", str(file)], check=True)
