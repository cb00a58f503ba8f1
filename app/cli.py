"""``vouchgate``: serve, and operate what is served.

Every command reads the same settings as the server (``--config`` or ``VOUCHGATE_CONFIG``) and works
on its database; a running server notices at its next request.
"""

from __future__ import annotations

import getpass
import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import click

from app.blueprints.services import Services
from app.broker.secrets import ResourceID
from app.config import CONFIG_VARIABLE, load_settings
from app.console.permissions import Role
from app.logs import configure as configure_logs
from app.settings import LogSettings, insecure_settings
from app.trust.audit import Actor, first_broken_link
from app.trust.decisions import DecisionKind, DecisionQuery, DecisionRecord, Outcome
from app.trust.errors import (
    ConfigError,
    DecisionNotFoundError,
    DomainError,
    MalformedPolicyError,
    MalformedReferenceValueError,
)
from guest.wire.errors import WireError
from guest.wire.strict_json import parse_json_object

_CONFIG = click.option(
    "--config",
    "config_path",
    type=click.Path(path_type=Path, dir_okay=False),
    envvar=CONFIG_VARIABLE,
    help=f"The TOML file with the settings; {CONFIG_VARIABLE} names it otherwise.",
)
# What a command prints is its answer; what a server would log at its start is not.
_QUIET = LogSettings(level="error", format="text")


class DomainErrors(click.Group):
    """A group whose commands end with the reason instead of a traceback."""

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401  (click's signature)
        """Run the command; a refusal becomes exit status 2 with its reason code."""
        try:
            return super().invoke(ctx)
        except ConfigError as error:
            for fault in error.faults:
                click.echo(f"settings: {fault}", err=True)
            ctx.exit(2)
        except DomainError as error:
            click.echo(f"{error.code}: {error.message}", err=True)
            ctx.exit(2)


@click.group(cls=DomainErrors)
@click.version_option(package_name="vouchgate")
def main() -> None:
    """Attestation and secret delivery for confidential computing."""


@main.command()
@_CONFIG
def serve(config_path: Path | None) -> None:
    """Serve the roles that the settings name."""
    from app.serving import serve as serve_until_interrupted
    from app.wiring import prepare

    settings = load_settings(config_path)
    configure_logs(settings.log)
    for name in insecure_settings(settings):
        click.echo(f"INSECURE SETTING IS ON: {name}", err=True)
    prepare(settings)
    serve_until_interrupted(settings)


@main.command()
@click.option("--state", type=click.Path(path_type=Path, file_okay=False), default=Path("var"))
@click.option("--port", type=click.IntRange(1, 65535), default=8080)
def demo(state: Path, port: int) -> None:
    """Serve everything on loopback, with the sample TEE and a demo secret."""
    from app.demo import run

    run(state, port)


@main.command("check-config")
@_CONFIG
def check_config(config_path: Path | None) -> None:
    """Check the settings and everything that they name, and list every fault."""
    from app import named

    settings = load_settings(config_path)
    configure_logs(_QUIET)
    named.check(settings)
    for name in insecure_settings(settings):
        click.echo(f"insecure: {name}")
    click.echo("the settings are fine")


@main.group()
def operators() -> None:
    """Accounts of the console."""


@operators.command("create")
@click.argument("name")
@click.option("--role", type=click.Choice([role.value for role in Role]), required=True)
@_CONFIG
def create_operator(name: str, role: str, config_path: Path | None) -> None:
    """Create an account and print its one-time password."""
    with _services(config_path) as services:
        click.echo(services.operators.create(name, Role(role), _actor()))


@operators.command("reset")
@click.argument("name")
@_CONFIG
def reset_operator(name: str, config_path: Path | None) -> None:
    """Give an account a new one-time password, print it, and end the account's sessions."""
    with _services(config_path) as services:
        click.echo(services.operators.reset(name, _actor()))


@operators.command("list")
@_CONFIG
def list_operators(config_path: Path | None) -> None:
    """List the accounts."""
    with _services(config_path) as services:
        for operator in services.operators.operators.all():
            click.echo(f"{operator.name}\t{operator.role}")


@main.group()
def keys() -> None:
    """Keys that sign tokens."""


@keys.command("list")
@_CONFIG
def list_keys(config_path: Path | None) -> None:
    """List the signing keys and where each is in its life."""
    with _services(config_path) as services:
        for key in services.token_keys.list():
            until = f"\tuntil {key.retires_at.isoformat()}" if key.retires_at else ""
            click.echo(f"{key.key_id}\t{key.state}{until}")


@keys.command("rotate")
@_CONFIG
def rotate_keys(config_path: Path | None) -> None:
    """Let the next key sign; tokens of the retired one verify until they expire."""
    with _services(config_path) as services:
        services.token_keys.rotate(_actor())
        click.echo("rotated; servers notice at their next request")


@keys.command("rotate-tickets")
@_CONFIG
def rotate_tickets(config_path: Path | None) -> None:
    """Give nonces and session cookies new keys; the old ones open what they issued."""
    with _services(config_path) as services:
        services.rotate_tickets(_actor())
        click.echo("rotated; servers issue with the new keys within a minute")


@main.group()
def secrets() -> None:
    """Secrets that guests can get."""


@secrets.command("set")
@click.argument("path")
@click.argument("file", type=click.File("rb"))
@_CONFIG
def set_secret(path: str, file: Any, config_path: Path | None) -> None:  # noqa: ANN401
    """Store FILE ("-" is standard input) as a new version of repository/type/tag."""
    with _services(config_path) as services:
        version = services.custody.write(ResourceID.of(path.split("/")), file.read(), _actor())
        click.echo(f"{path} version {version.version}")


@secrets.command("list")
@_CONFIG
def list_secrets(config_path: Path | None) -> None:
    """List the secrets with their active version; values never show."""
    with _services(config_path) as services:
        after = None
        while page := services.custody.page(after=after, limit=500):
            for each in page:
                click.echo(f"{each.resource_id}\tversion {each.version}\t{each.size_bytes} bytes")
            after = page[-1].resource_id


@secrets.command("delete")
@click.argument("path")
@_CONFIG
def delete_secret(path: str, config_path: Path | None) -> None:
    """Take a secret away from guests; its versions stay sealed in the database."""
    with _services(config_path) as services:
        services.custody.delete(ResourceID.of(path.split("/")), _actor())


@secrets.command("rewrap")
@_CONFIG
def rewrap(config_path: Path | None) -> None:
    """Wrap every data key under the first key of sealing.keys; then older keys can go."""
    with _services(config_path) as services:
        count = services.rewrap(_actor())
        click.echo(f"{count} sealed values rewrapped")


@main.group()
def policies() -> None:
    """Attestation policies and the resource policy."""


@policies.command("set")
@click.argument("policy_id")
@click.argument("file", type=click.File("rb"))
@_CONFIG
def set_policy(policy_id: str, file: Any, config_path: Path | None) -> None:  # noqa: ANN401
    """Make FILE the active version of a policy; "resource-policy" is the resource policy."""
    try:
        text = file.read().decode("utf-8")
    except UnicodeDecodeError as error:
        raise MalformedPolicyError(f"{file.name} is not UTF-8 text") from error
    with _services(config_path) as services:
        if policy_id in services.resource_policies.ids():
            services.resource_policies.set(text, _actor())
        else:
            services.attestation_policies.set(policy_id, text, _actor())


@policies.command("show")
@click.argument("policy_id")
@_CONFIG
def show_policy(policy_id: str, config_path: Path | None) -> None:
    """Print the active version of a policy."""
    with _services(config_path) as services:
        if policy_id in services.resource_policies.ids():
            click.echo(services.resource_policies.get().text, nl=False)
        else:
            click.echo(services.attestation_policies.get(policy_id).text, nl=False)


@policies.command("list")
@_CONFIG
def list_policies(config_path: Path | None) -> None:
    """List the policies."""
    with _services(config_path) as services:
        for policy_id in services.attestation_policies.ids():
            click.echo(f"attestation\t{policy_id}")
        for policy_id in services.resource_policies.ids():
            click.echo(f"resource\t{policy_id}")


@main.group("reference-values")
def reference_values() -> None:
    """What claims are compared with."""


@reference_values.command("register")
@click.argument("file", type=click.File("rb"))
@_CONFIG
def register_values(file: Any, config_path: Path | None) -> None:  # noqa: ANN401
    """Register the RVPS message in FILE."""
    try:
        message = parse_json_object(file.read())
    except WireError as error:
        raise MalformedReferenceValueError(f"{file.name}: {error}") from error
    with _services(config_path) as services:
        services.reference_values.register(message, _actor())


@reference_values.command("list")
@_CONFIG
def list_values(config_path: Path | None) -> None:
    """List the reference values and when each expires."""
    with _services(config_path) as services:
        after = None
        while page := services.reference_values.page(after=after, limit=500):
            for value in page:
                text = json.dumps(value.value)
                click.echo(f"{value.name}\t{value.expires_at.isoformat()}\t{text}")
            after = page[-1].name


@main.group()
def decisions() -> None:
    """Appraisals and releases, allowed or denied."""


@decisions.command("list")
@click.option("--kind", type=click.Choice([kind.value for kind in DecisionKind]))
@click.option("--outcome", type=click.Choice([outcome.value for outcome in Outcome]))
@click.option("--reason", help="A reason code, such as policy-denied.")
@click.option("--limit", type=click.IntRange(1, 500), default=50, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@_CONFIG
def list_decisions(config_path: Path | None, *, as_json: bool, **filters: Any) -> None:  # noqa: ANN401
    """List decisions, newest first."""
    kind, outcome = filters.pop("kind"), filters.pop("outcome")
    query = DecisionQuery(
        kind=DecisionKind(kind) if kind else None,
        outcome=Outcome(outcome) if outcome else None,
        **filters,
    )
    with _services(config_path) as services:
        for record in services.decisions.page(query):
            click.echo(json.dumps(_summary(record)) if as_json else _line(record))


@decisions.command("show")
@click.argument("decision_id")
@_CONFIG
def show_decision(decision_id: str, config_path: Path | None) -> None:
    """Print one decision with everything it was decided on."""
    with _services(config_path) as services:
        record = _decision(services, decision_id)
        full = {**_summary(record), "inputs": record.inputs, "result": record.result}
        click.echo(json.dumps(full, indent=2, ensure_ascii=False))


@decisions.command("replay")
@click.argument("decision_id")
@_CONFIG
@click.pass_context
def replay_decision(ctx: click.Context, decision_id: str, config_path: Path | None) -> None:
    """Decide again from the record; exit status 1 when the outcome differs."""
    with _services(config_path) as services:
        replayed = services.replay(_decision(services, decision_id))
        click.echo(json.dumps(asdict(replayed), indent=2, ensure_ascii=False))
        if not replayed.same:
            ctx.exit(1)


@main.group()
def audit() -> None:
    """What operators did."""


@audit.command("verify")
@_CONFIG
@click.pass_context
def verify_audit(ctx: click.Context, config_path: Path | None) -> None:
    """Check that the audit records chain; exit status 1 when one does not."""
    with _services(config_path) as services:
        records, before = [], None
        while page := services.audit.page(before=before, limit=500):
            records += page
            before = page[-1].sequence
    broken = first_broken_link(records[::-1])
    if broken is not None:
        click.echo(f"record {broken} does not chain to the one before it", err=True)
        ctx.exit(1)
    click.echo(f"{len(records)} records, the chain holds")


@contextmanager
def _services(config_path: Path | None) -> Iterator[Services]:
    from app.blueprints.deps import EXTENSION
    from app.factory import build

    app = build(replace(load_settings(config_path), log=_QUIET))
    services: Services = app.extensions[EXTENSION]
    with app.app_context(), closing(services):
        yield services


def _actor() -> Actor:
    return Actor(f"cli:{getpass.getuser()}", Role.OWNER)


def _decision(services: Services, decision_id: str) -> DecisionRecord:
    record = services.decisions.find(decision_id)
    if record is None:
        raise DecisionNotFoundError("no decision of this id is recorded")
    return record


def _summary(record: DecisionRecord) -> dict[str, Any]:
    summary = asdict(record)
    del summary["inputs"], summary["result"]
    return {**summary, "at": record.at.isoformat()}


def _line(record: DecisionRecord) -> str:
    return "\t".join(
        (
            record.at.strftime("%Y-%m-%d %H:%M:%S"),
            record.kind,
            record.outcome,
            record.reason,
            record.tee or "-",
            record.subject,
            record.decision_id,
        )
    )


if __name__ == "__main__":
    main()
