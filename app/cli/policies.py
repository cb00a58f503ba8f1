"""Policies, from the terminal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from app.blueprints.services import Services
from app.broker.scopes import is_resource_policy_id
from app.cli.opening import CONFIG, actor, opened
from app.console.changes import PolicyChange
from app.trust.errors import MalformedPolicyError
from app.trust.policies import PolicyKind


@click.group()
def policies() -> None:
    """Attestation policies and resource policies."""


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
    """Make FILE the active version of a policy; "resource-policy" is the resource policy."""
    try:
        text = file.read().decode("utf-8")
    except UnicodeDecodeError as error:
        raise MalformedPolicyError(f"{file.name} is not UTF-8 text") from error
    with opened(config_path) as services:
        if draft:
            click.echo(_propose(services, policy_id, text))
        elif is_resource_policy_id(policy_id):
            services.resource_policies.set(text, actor(), policy_id=policy_id)
        else:
            services.attestation_policies.set(policy_id, text, actor())


def _propose(services: Services, policy_id: str, text: str) -> str:
    is_resource = is_resource_policy_id(policy_id)
    kind = PolicyKind.RESOURCE if is_resource else PolicyKind.ATTESTATION
    of_kind = services.resource_policies if is_resource else services.attestation_policies
    active = of_kind.active_version(policy_id)
    change = PolicyChange(kind, policy_id, text, active.version if active else 0)
    return services.proposals.propose(change, actor()).proposal_id


@policies.command("show")
@click.argument("policy_id")
@CONFIG
def show_policy(policy_id: str, config_path: Path | None) -> None:
    """Print the active version of a policy."""
    with opened(config_path) as services:
        if is_resource_policy_id(policy_id):
            click.echo(services.resource_policies.get(policy_id).text, nl=False)
        else:
            click.echo(services.attestation_policies.get(policy_id).text, nl=False)


@policies.command("remove")
@click.argument("policy_id")
@CONFIG
def remove_policy(policy_id: str, config_path: Path | None) -> None:
    """Take a policy away; its versions stay to be read."""
    with opened(config_path) as services:
        if is_resource_policy_id(policy_id):
            services.resource_policies.take_away(policy_id, actor())
        else:
            services.attestation_policies.take_away(policy_id, actor())


@policies.command("list")
@CONFIG
def list_policies(config_path: Path | None) -> None:
    """List the policies."""
    with opened(config_path) as services:
        for policy_id in services.attestation_policies.ids():
            click.echo(f"attestation\t{policy_id}")
        for policy_id in services.resource_policies.ids():
            click.echo(f"resource\t{policy_id}")
