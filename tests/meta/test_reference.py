"""Permissions, metrics, commands and verifiers: the reference has all of them, and nothing else."""

from __future__ import annotations

import argparse
import ast
import re
from collections.abc import Iterator

import click
import pytest
from claims_page import rendered
from prometheus_client.metrics import MetricWrapperBase
from repository import DOCS, headings, page, sections, trees

from app.attestation import verifiers
from app.blueprints.ops import metrics
from app.cli import main
from app.console.permissions import PERMISSIONS, Permission, Role
from guest import cli as guest_cli
from guest import errors as guest_errors
from guest.devices.paths import DevicePaths

# One page a verifier, all with these headings, in this order.
VERIFIER_HEADINGS = [
    "What it proves",
    "Evidence format",
    "Checks in order",
    "Claims",
    "Collateral",
    "Limits",
    "Vectors",
]


def commands(
    command: click.Command, name: str = "vouchgate"
) -> Iterator[tuple[str, click.Command]]:
    """Every command that does something, by its full name."""
    if isinstance(command, click.Group):
        context = click.Context(command)
        for each in command.list_commands(context):
            child = command.get_command(context, each)
            assert child is not None
            yield from commands(child, f"{name} {each}")
    else:
        yield name, command


def guest_commands() -> dict[str, argparse.ArgumentParser]:
    """The same of the guest's command line."""
    found: dict[str, argparse.ArgumentParser] = {}
    for action in guest_cli._parser()._actions:
        if isinstance(action, argparse._SubParsersAction):
            found |= {f"{guest_cli.PROGRAM} {name}": each for name, each in action.choices.items()}
    return found


COMMANDS = dict(commands(main))
GUEST_COMMANDS = guest_commands()
COMMAND_PAGE = sections(page("reference/commands.md"), 3)


def test_permissions_are_documented() -> None:
    """Every permission has a heading, and every heading of that kind is a permission."""
    assert headings(page("reference/permissions.md"), 3) == sorted(Permission)


def test_permissions_are_well_formed_and_in_order() -> None:
    """``area:resource:action``, in the order of their names in the code."""
    assert all(re.fullmatch(r"[a-z-]+:[a-z-]+:[a-z-]+", each) for each in Permission)
    assert [each.name for each in Permission] == sorted(each.name for each in Permission)


@pytest.mark.parametrize("role", Role)
def test_roles_are_documented_with_what_they_may(role: Role) -> None:
    """The table of the page gives each permission the roles that have it."""
    told = {
        permission
        for permission, text in sections(page("reference/permissions.md"), 3).items()
        if f"`{role}`" in text.partition("Roles:")[2].splitlines()[0]
    }
    assert told == set(PERMISSIONS[role])


def test_metrics_are_documented() -> None:
    """The names on the page are the names that are exposed, suffixes included."""
    exposed = set()
    for each in vars(metrics).values():
        if isinstance(each, MetricWrapperBase):
            suffix = "_total" if each._type == "counter" else ""
            exposed.add(each._name + suffix)
    assert set(headings(page("reference/metrics.md"), 3)) == exposed


def test_commands_are_documented() -> None:
    """Every command of both programs has a heading, and every heading is a command."""
    assert sorted(COMMAND_PAGE) == sorted([*COMMANDS, *GUEST_COMMANDS])


@pytest.mark.parametrize("name", COMMANDS)
def test_options_are_documented(name: str) -> None:
    """Every option and argument of a command stands in its section."""
    for parameter in COMMANDS[name].params:
        option = isinstance(parameter, click.Option)
        told = max(parameter.opts, key=len) if option else parameter.human_readable_name
        assert f"`{told}" in COMMAND_PAGE[name], told


@pytest.mark.parametrize("name", GUEST_COMMANDS)
def test_guest_options_are_documented(name: str) -> None:
    """Options of one guest command stand in its section, those of all of them once."""
    common = page("reference/commands.md").partition("## vouchgate-guest")[2]
    for action in GUEST_COMMANDS[name]._actions:
        told = action.option_strings[-1] if action.option_strings else str(action.metavar)
        assert f"`{told}" in common, told


def test_exit_codes_of_the_guest_are_documented() -> None:
    """Every leaf of the guest's errors has its code and exit status in the table."""
    text = page("reference/guest.md")
    leaves = [
        kind
        for kind in vars(guest_errors).values()
        if isinstance(kind, type)
        and issubclass(kind, guest_errors.GuestError)
        and {"code", "exit_code"} <= vars(kind).keys()
        and kind is not guest_errors.GuestError
    ]
    assert leaves
    told = [f"| {kind.exit_code} | `{kind.code}` |" for kind in leaves]
    assert [row for row in told if row not in text] == []


def test_settings_of_the_guest_are_documented() -> None:
    """Every key that the guest reads stands on its page."""
    files = [tree for path, tree in trees("guest") if path.name.endswith("settings.py")]
    assert len(files) == 6
    keys = {
        node.args[0].value
        for tree in files
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in {"text", "texts", "choice", "flag", "number", "seconds", "section"}
        and node.args
        and isinstance(node.args[0], ast.Constant)
    }
    told = re.findall(r"[a-z_]+", " ".join(re.findall(r"`([^`\n]+)`", page("reference/guest.md"))))
    assert len(keys) > 10
    assert sorted(str(key) for key in keys - set(told)) == []


def test_device_paths_of_the_guest_are_documented() -> None:
    """Every path that can be moved is named."""
    told = page("reference/guest.md")
    assert [name for name in DevicePaths.__slots__ if f"`devices.{name}`" not in told] == []


@pytest.mark.parametrize("name", verifiers._built_in())
def test_every_verifier_has_its_page(name: str) -> None:
    """The pages of verifiers all look alike, so that TEEs can be compared."""
    path = DOCS / "reference" / "verifiers" / f"{name}.md"
    assert path.is_file(), f"{path} is missing"
    assert headings(path.read_text(encoding="utf-8"), 2) == VERIFIER_HEADINGS


def test_no_page_without_a_verifier() -> None:
    """A page about a TEE that is not verified would promise too much."""
    pages = {path.stem for path in (DOCS / "reference" / "verifiers").glob("*.md")}
    assert pages - {"README"} <= set(verifiers._built_in())


def test_the_page_of_claims_is_that_of_the_dictionary() -> None:
    """Where they differ, ``python tests/claims_page.py`` writes it anew."""
    assert page("reference/claims.md") == rendered()


@pytest.mark.parametrize("tee", ["se", "hygondcu", "nvidia-dpu"])
def test_pages_say_where_no_hardware_was_seen(tee: str) -> None:
    """Before anything else, and in the table of all of them."""
    text = page(f"reference/verifiers/{tee}.md")
    assert "**No hardware was seen.**" in text.partition("\n## ")[0]
    assert "generated by tests" in text.partition("\n## ")[0]
    (row,) = [
        line
        for line in page("reference/verifiers/README.md").splitlines()
        if line.startswith(f"| `{tee}` |")
    ]
    assert "no hardware was seen" in row
