"""Scripts that complete, as a shell runs them."""

from __future__ import annotations

import shutil
import subprocess
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
    """Checked by the shell itself where it is installed; every command and option is in it."""
    assert main(["completion", shell]) == 0
    text = capfd.readouterr().out
    assert "attestation-key" in text
    assert "insecure-sample" in text
    if shutil.which(shell) is not None:
        file = tmp_path / "script"
        file.write_text(text)
        subprocess.run([shell, "-n", str(file)], check=True)
