"""Documents: links lead somewhere, and what can be copied is well-formed."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from repository import ROOT, anchors, blocks, documents, relative, without_code

from app.cli import main
from guest import cli as guest_cli

LINK = re.compile(r"!?\[[^\]]*\]\((?P<target>[^)\s]+)\)")
PAGES = {relative(path): path for path in documents()}
PLACEHOLDER = re.compile(r"\$\([^()]*(?:\([^()]*\)[^()]*)*\)|\$\{?\w+\}?")


def links(path: Path) -> Iterator[str]:
    """The targets of a page's links that lead into this repository."""
    text = re.sub(r"`[^`\n]*`", "", without_code(path.read_text(encoding="utf-8")))
    for found in LINK.finditer(text):
        if not re.match(r"[a-z]+:", found["target"]):
            yield found["target"]


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_somewhere(name: str) -> None:
    """Files exist, and so do the headings that a link points at."""
    path, broken = PAGES[name], []
    for target in links(path):
        file, _, anchor = target.partition("#")
        there = (path.parent / file).resolve() if file else path
        if (
            not there.exists()
            or not there.is_relative_to(ROOT)
            or (anchor and anchor not in anchors(there.read_text(encoding="utf-8")))
        ):
            broken.append(target)
    assert not broken


def test_every_page_can_be_reached() -> None:
    """Each page of docs is linked from another page."""
    linked = {
        (path.parent / target.partition("#")[0]).resolve()
        for path in PAGES.values()
        for target in links(path)
    }
    lonely = [name for name, path in PAGES.items() if path not in linked and "docs" in path.parts]
    assert not lonely


@pytest.mark.parametrize("name", PAGES)
def test_blocks_are_well_formed(name: str) -> None:
    """TOML and JSON parse; the shell accepts the shell's."""
    for language, body in blocks(PAGES[name].read_text(encoding="utf-8")):
        if language == "toml":
            tomllib.loads(body)
        elif language == "json":
            json.loads(body)
        elif language == "sh":
            checked = subprocess.run(
                ["bash", "-n"], input=body, text=True, capture_output=True, check=False
            )
            assert checked.returncode == 0, checked.stderr


@pytest.mark.parametrize("name", PAGES)
def test_commands_in_blocks_exist(name: str) -> None:
    """Every ``vouchgate`` and ``vouchgate-guest`` in a block is a command with those options."""
    for language, body in blocks(PAGES[name].read_text(encoding="utf-8")):
        if language == "sh":
            for words in _invocations(body):
                _check_invocation(words)


def _invocations(script: str) -> Iterator[list[str]]:
    """The command lines of our programs in a script, as words."""
    joined = PLACEHOLDER.sub("placeholder", script.replace("\\\n", " "))
    for line in joined.splitlines():
        for part in re.split(r"[|;&]+|\$\(", line.partition(" #")[0]):
            words = re.split(r"\s[0-9]?[<>]", part)[0].replace(")", " ").strip()
            if "vouchgate" in words and not words.startswith("#"):
                yield from _starting_at_program(words)


def _starting_at_program(text: str) -> Iterator[list[str]]:
    try:
        words = shlex.split(text)
    except ValueError:
        return
    while words and ("=" in words[0] or words[0] in {"if", "while", "!", "sudo", "then"}):
        words = words[1:]
    if words and Path(words[0]).name in {"vouchgate", "vouchgate-guest"}:
        yield [Path(words[0]).name, *words[1:]]


def _check_invocation(words: list[str]) -> None:
    program, *rest = words
    if program == guest_cli.PROGRAM:
        with_help = rest in (["--help"], ["-h"])
        assert with_help or guest_cli._parser().parse_args(rest)
        return
    command: click.Command = main
    while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
        name = rest.pop(0)
        found = command.get_command(click.Context(command), name)
        assert found is not None, f"there is no command {name!r} in {' '.join(words)!r}"
        command = found
    options = {option for each in command.params for option in each.opts} | {"--help", "--version"}
    unknown = [
        word for word in rest if word.startswith("--") and word.partition("=")[0] not in options
    ]
    assert not unknown, f"{unknown} in {' '.join(words)!r}"
