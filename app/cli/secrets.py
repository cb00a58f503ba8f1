"""Secrets, from the terminal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from app.broker.secrets import PathPrefix, ResourceID
from app.cli.opening import CONFIG, actor, opened
from app.console.attested_guests import guest_of
from app.console.recipes import RECIPES, made
from app.trust.decisions import DecisionKind, DecisionQuery, Outcome
from app.trust.errors import DecisionNotFoundError

_BASED_ON = click.option(
    "--based-on",
    type=click.IntRange(min=0),
    help="Refuse unless this is the newest version; 0 when there is none.",
)


@click.group()
def secrets() -> None:
    """Secrets that guests can get."""


@secrets.command("set")
@click.argument("path")
@click.argument("file", type=click.File("rb"))
@_BASED_ON
@CONFIG
def set_secret(path: str, file: Any, based_on: int | None, config_path: Path | None) -> None:  # noqa: ANN401
    """Store FILE ("-" is standard input) as a new version of repository/type/tag."""
    with opened(config_path) as services:
        version = services.custody.write(_resource(path), file.read(), actor(), based_on=based_on)
        click.echo(f"{path} version {version.version}")


@secrets.command("generate")
@click.argument("path")
@click.option("--recipe", type=click.Choice(list(RECIPES)), required=True)
@_BASED_ON
@CONFIG
def generate(path: str, recipe: str, based_on: int | None, config_path: Path | None) -> None:
    """Make a secret here and store it; nobody sees it."""
    with opened(config_path) as services:
        version = services.custody.write(_resource(path), made(recipe), actor(), based_on=based_on)
        click.echo(f"{path} version {version.version}")


@secrets.command("list")
@click.option("--prefix", default="", help="Only paths that begin so, such as default/app/.")
@CONFIG
def list_secrets(prefix: str, config_path: Path | None) -> None:
    """List the secrets with their active version; values never show."""
    within = PathPrefix.parse(prefix)
    with opened(config_path) as services:
        after = None
        while page := services.custody.page(after=after, limit=500, within=within):
            for each in page:
                click.echo(f"{each.resource_id}\tversion {each.version}\t{each.size_bytes} bytes")
            after = page[-1].resource_id


@secrets.command("tree")
@click.argument("repository", default="")
@CONFIG
def tree(repository: str, config_path: Path | None) -> None:
    """List the repositories, or the types of REPOSITORY."""
    within = PathPrefix.parse(f"{repository}/" if repository else "").segments
    with opened(config_path) as services:
        after = None
        while names := services.custody.folders(within, after=after, limit=500):
            click.echo("\n".join(names))
            after = names[-1]


@secrets.command("versions")
@click.argument("path")
@CONFIG
def versions(path: str, config_path: Path | None) -> None:
    """List the versions of a secret, newest first; values never show."""
    resource_id = _resource(path)
    with opened(config_path) as services:
        below = None
        while page := services.custody.versions(resource_id, below=below):
            for each in page:
                facts = [
                    f"version {each.version}",
                    f"{each.size_bytes} bytes",
                    each.created_at.strftime("%Y-%m-%d %H:%M:%S"),
                    each.created_by,
                    "active" if each.active else "-",
                    f"restored from {each.restored_from}" if each.restored_from else "-",
                ]
                click.echo("\t".join(facts))
            below = page[-1].version


@secrets.command("restore")
@click.argument("path")
@click.argument("version", type=click.IntRange(min=1))
@_BASED_ON
@CONFIG
def restore(path: str, version: int, based_on: int | None, config_path: Path | None) -> None:
    """Make what an old VERSION holds the newest version; brings a deleted secret back."""
    with opened(config_path) as services:
        new = services.custody.restore(_resource(path), version, actor(), based_on=based_on)
        click.echo(f"{path} version {new.version}")


@secrets.command("delete")
@click.argument("path")
@CONFIG
def delete_secret(path: str, config_path: Path | None) -> None:
    """Take a secret away from guests; it can be restored for broker.secret_recovery_days."""
    with opened(config_path) as services:
        services.custody.delete(_resource(path), actor())


@secrets.command("reveal")
@click.argument("path")
@click.argument("version", type=click.IntRange(min=1))
@click.option("--reason", required=True, help="Why, for whoever reads the audit log.")
@CONFIG
def reveal(path: str, version: int, reason: str, config_path: Path | None) -> None:
    """Print what a VERSION holds, byte for byte; who reads it and why is audited first."""
    with opened(config_path) as services:
        plaintext = services.custody.reveal(_resource(path), version, reason, actor())
        click.echo(plaintext, nl=False)


@secrets.command("deleted")
@CONFIG
def list_deleted(config_path: Path | None) -> None:
    """List deleted secrets and until when each can be restored."""
    with opened(config_path) as services:
        after = None
        while page := services.custody.deleted(after=after, limit=500):
            for each in page:
                until = services.custody.recoverable_until(each)
                click.echo(f"{each.resource_id}\tversion {each.version}\t{until.isoformat()}")
            after = page[-1].resource_id


@secrets.command("destroy")
@click.argument("path")
@click.confirmation_option(prompt="Every version is erased for good. Go on?")
@CONFIG
def destroy(path: str, config_path: Path | None) -> None:
    """Erase every version of a deleted secret at once; nothing brings them back."""
    with opened(config_path) as services:
        services.custody.destroy(_resource(path), actor())


@secrets.command("who-got")
@click.argument("path")
@CONFIG
def who_got(path: str, config_path: Path | None) -> None:
    """List the releases of a secret, newest first: when, TEE, token, decision."""
    resource_id = _resource(path)
    with opened(config_path) as services:
        before = None
        while page := services.decisions.page(
            DecisionQuery(
                kind=DecisionKind.RELEASE,
                outcome=Outcome.ALLOWED,
                subject=f"resource/{resource_id}",
                before=before,
                limit=500,
            )
        ):
            for each in page:
                at = each.at.strftime("%Y-%m-%d %H:%M:%S")
                facts = (at, each.tee or "-", each.token_id or "-", each.decision_id)
                click.echo("\t".join(facts))
            before = page[-1].decision_id


@secrets.command("who-may")
@click.argument("path")
@CONFIG
def who_may(path: str, config_path: Path | None) -> None:
    """List the guests that attested lately, and whether the policy would give them a secret now."""
    resource_id = _resource(path)
    with opened(config_path) as services:
        for each in services.secret_reach.who_may(resource_id):
            facts = (
                "allowed" if each.allowed else "denied",
                each.guest.at.strftime("%Y-%m-%d %H:%M:%S"),
                each.guest.tee or "-",
                each.guest.status or "-",
                each.guest.measurement or "-",
                each.guest.decision_id,
                each.reason or "-",
            )
            click.echo("\t".join(facts))


@secrets.command("what-may")
@click.argument("decision_id")
@CONFIG
def what_may(decision_id: str, config_path: Path | None) -> None:
    """List the secrets that the policy would give now to the guest that a decision is about."""
    with opened(config_path) as services:
        record = services.decisions.find(decision_id)
        guest = guest_of(record) if record else None
        if guest is None:
            raise DecisionNotFoundError("no decision of this id is about a guest that was verified")
        after = None
        while page := services.custody.page(after=after, limit=500):
            paths = [each.resource_id for each in page]
            for prospect in services.secret_reach.what_may(guest, paths):
                if prospect.allowed:
                    click.echo(prospect.resource_id)
            after = paths[-1]


@secrets.command("rewrap")
@CONFIG
def rewrap(config_path: Path | None) -> None:
    """Wrap every data key under the first key of sealing.keys; then older keys can go."""
    with opened(config_path) as services:
        count = services.rewrap(actor())
        click.echo(f"{count} sealed values rewrapped")


def _resource(path: str) -> ResourceID:
    return ResourceID.of(path.split("/"))
