"""Policies, from the terminal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from app.broker.scopes import is_resource_policy_id
from app.cli.opening import CONFIG, actor, opened
from app.console.changes import PolicyChange
from app.console.policy_shelf import PolicyReview
from app.console.policy_templates import policy_template, policy_templates
from app.console.policy_texts import comparison_as_json
from app.trust.errors import MalformedPolicyError, PolicyNotFoundError
from app.trust.policies import PolicyKind


@click.group()
def policies() -> None:
    """Attestation policies and resource policies."""


@policies.command("list")
@CONFIG
def list_policies(config_path: Path | None) -> None:
    """List the policies."""
    with opened(config_path) as services:
        for version in services.policy_shelf.all():
            click.echo(f"{version.kind}\t{version.policy_id}")


@policies.command("show")
@click.argument("policy_id")
@click.option("--version", type=click.IntRange(1), help="Another than the one that decides.")
@CONFIG
def show_policy(policy_id: str, version: int | None, config_path: Path | None) -> None:
    """Print a policy."""
    with opened(config_path) as services:
        history = services.policy_shelf.history(kind_of(policy_id), policy_id)
        shown = history.active if version is None else history.version(version)
        if shown is None:
            raise PolicyNotFoundError("this policy was taken away; its versions are there")
        click.echo(shown.text, nl=False)


@policies.command("versions")
@click.argument("policy_id")
@CONFIG
def list_versions(policy_id: str, config_path: Path | None) -> None:
    """List the versions of a policy, newest first."""
    with opened(config_path) as services:
        for each in services.policy_shelf.history(kind_of(policy_id), policy_id).versions:
            state = "active" if each.active else "replaced"
            at = each.created_at.strftime("%Y-%m-%d %H:%M:%S")
            click.echo(f"{each.version}\t{state}\t{at}\t{each.created_by}\t{each.digest}")


@policies.command("compare")
@click.argument("policy_id")
@click.argument("old", type=click.IntRange(1))
@click.argument("new", type=click.IntRange(1))
@click.option("--json", "as_json", is_flag=True, help="Side by side, as JSON.")
@CONFIG
def compare_versions(
    policy_id: str, old: int, new: int, config_path: Path | None, *, as_json: bool
) -> None:
    """Print what differs between two versions."""
    with opened(config_path) as services:
        history = services.policy_shelf.history(kind_of(policy_id), policy_id)
        compared = comparison_as_json(history.version(old), history.version(new))
    if as_json:
        click.echo(json.dumps(compared, indent=2, ensure_ascii=False))
    else:
        click.echo(compared["unified"], nl=False)


@policies.command("check")
@click.argument("policy_id")
@click.argument("file", type=click.File("rb"))
@CONFIG
@click.pass_context
def check_policy(
    ctx: click.Context,
    policy_id: str,
    file: Any,  # noqa: ANN401
    config_path: Path | None,
) -> None:
    """Check FILE without setting it; exit status 1 when it breaks an example."""
    text = read_rego(file)
    with opened(config_path) as services:
        review = services.policy_shelf.review(kind_of(policy_id), policy_id, text)
    _print_review(review)
    if review.broken:
        ctx.exit(1)


@policies.command("set")
@click.argument("policy_id")
@click.argument("file", type=click.File("rb"))
@click.option("--draft", is_flag=True, help="Only propose it, and print the proposal's id.")
@CONFIG
def set_policy(
    policy_id: str,
    file: Any,  # noqa: ANN401
    config_path: Path | None,
    *,
    draft: bool,
) -> None:
    """Make FILE the active version of a policy; "resource-policy" is the global resource policy."""
    text, kind = read_rego(file), kind_of(policy_id)
    with opened(config_path) as services:
        shelf = services.policy_shelf
        if draft:
            change = PolicyChange(kind, policy_id, text, shelf.newest_number(kind, policy_id))
            click.echo(services.proposals.propose(change, actor()).proposal_id)
        else:
            shelf.save(kind, policy_id, text, actor(), based_on=None)


@policies.command("roll-back")
@click.argument("policy_id")
@click.argument("version", type=click.IntRange(1))
@CONFIG
def roll_back_policy(policy_id: str, version: int, config_path: Path | None) -> None:
    """Make the text of an old version the active one."""
    with opened(config_path) as services:
        services.policy_shelf.roll_back(
            kind_of(policy_id), policy_id, version, actor(), based_on=None
        )


@policies.command("remove")
@click.argument("policy_id")
@CONFIG
def remove_policy(policy_id: str, config_path: Path | None) -> None:
    """Take a policy away; its versions stay to be read."""
    with opened(config_path) as services:
        services.policy_shelf.take_away(kind_of(policy_id), policy_id, actor(), based_on=None)


@policies.command("templates")
@click.argument("name", required=False)
@click.option("--kind", type=click.Choice([kind.value for kind in PolicyKind]))
def show_templates(name: str | None, kind: str | None) -> None:
    """List the ready policies, or print the one of this NAME."""
    found = [each for each in policy_templates() if kind in (None, each.kind)]
    if name is None:
        for each in found:
            click.echo(f"{each.kind}\t{each.name}\t{each.purpose}")
        return
    of_name = [each.kind for each in found if each.name == name]
    click.echo(policy_template(of_name[0] if of_name else PolicyKind.RESOURCE, name).text, nl=False)


def kind_of(policy_id: str) -> PolicyKind:
    """What an id says about the kind of its policy."""
    return PolicyKind.RESOURCE if is_resource_policy_id(policy_id) else PolicyKind.ATTESTATION


def read_rego(file: Any) -> str:  # noqa: ANN401
    """The text of a file.

    Raises:
        MalformedPolicyError: it is not UTF-8.
    """
    try:
        text: str = file.read().decode("utf-8")
    except UnicodeDecodeError as error:
        raise MalformedPolicyError("the policy is not UTF-8 text") from error
    return text


def _print_review(review: PolicyReview) -> None:
    for warning in review.warnings:
        where = f"line {warning.line}, column {warning.column}: " if warning.line else ""
        click.echo(f"warning\t{where}{warning.message}")
    for probe in review.probes:
        click.echo(f"guest\t{probe.guest}\tresource {probe.resource}\tother plugins {probe.other}")
    for result in review.examples:
        state = "holds" if result.holds else "broken"
        click.echo(f"example\t{result.name}\t{state}\t{result.expected}\t{result.came_out}")
