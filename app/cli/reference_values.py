"""Reference values, from the terminal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from app.attestation.reference_values import (
    DraftReferenceValue,
    ExpiryState,
    RegisteredValue,
    drafts_of,
)
from app.blueprints.services import Services
from app.cli.computing import compute
from app.cli.opening import CONFIG, opened
from app.cli.reference_value_changes import carry_out
from app.console.attested_values import take
from app.console.changes import ReferenceValuesChange
from app.console.reference_value_files import parse_expiry, parse_value
from app.trust.errors import MalformedReferenceValueError, ReferenceValueNotFoundError
from app.trust.json_types import JSONObject
from guest.wire.errors import WireError
from guest.wire.strict_json import parse_json_object

_SOURCE = "terminal"
_DRAFT = click.option("--draft", is_flag=True, help="Only propose it, and print the proposal's id.")


@click.group("reference-values")
def reference_values() -> None:
    """What claims are compared with."""


@reference_values.command("register")
@click.argument("file", type=click.File("rb"))
@_DRAFT
@CONFIG
def register_values(file: Any, config_path: Path | None, *, draft: bool) -> None:  # noqa: ANN401
    """Register the RVPS message in FILE."""
    message = _message(file)
    with opened(config_path) as services:
        read = services.reference_values.read(message)
        change = ReferenceValuesChange(tuple(drafts_of(read)), source=str(read.provenance))
        carry_out(services, change, draft)


@reference_values.command("add")
@click.argument("name")
@click.argument("value")
@click.option("--expires-at", default="", help="A time like 2027-01-31T00:00Z; else in a year.")
@_DRAFT
@CONFIG
def add_value(
    name: str, value: str, expires_at: str, config_path: Path | None, *, draft: bool
) -> None:
    """Register VALUE, which is JSON, under NAME."""
    drafted = DraftReferenceValue(name, parse_value(value), parse_expiry(expires_at))
    with opened(config_path) as services:
        carry_out(services, ReferenceValuesChange(register=(drafted,), source=_SOURCE), draft)


@reference_values.command("import")
@click.argument("file", type=click.File("rb"))
@click.option("--dry-run", is_flag=True, help="Only print what would change.")
@_DRAFT
@CONFIG
def import_values(
    file: Any,  # noqa: ANN401
    config_path: Path | None,
    *,
    dry_run: bool,
    draft: bool,
) -> None:
    """Register all values of FILE, or none: RVPS messages, JSON, or CSV named ….csv."""
    with opened(config_path) as services:
        plan = services.imports.plan_file(file.read(), file.name, _SOURCE)
        change = plan.change()
        for each in plan.values:
            before = json.dumps(each.before.value) if each.before else "-"
            after = json.dumps(each.draft.value)
            click.echo(f"{each.effect}\t{each.draft.name}\t{before}\t{after}")
        if not dry_run:
            carry_out(services, change, draft)


@reference_values.command("list")
@click.option("--containing", help="Only names with this text somewhere.")
@click.option("--state", type=click.Choice([state.value for state in ExpiryState]))
@click.option("--unread", is_flag=True, help="Only what no policy and no recent appraisal reads.")
@CONFIG
def list_values(
    containing: str | None, state: str | None, config_path: Path | None, *, unread: bool
) -> None:
    """List the reference values and when each expires."""
    wanted = ExpiryState(state) if state else None
    with opened(config_path) as services:
        values, use = services.reference_values, services.reference_value_use
        after = None
        while page := (
            use.unread(after=after, limit=500)
            if unread
            else values.page(after=after, limit=500, containing=containing, state=wanted)
        ):
            for value in page:
                text = json.dumps(value.value)
                click.echo(f"{value.name}\t{value.expires_at.isoformat()}\t{text}")
            after = page[-1].name


@reference_values.command("show")
@click.argument("name")
@CONFIG
def show_value(name: str, config_path: Path | None) -> None:
    """Print the value of NAME, or its last one, where it came from, and who reads it."""
    with opened(config_path) as services:
        newest, *_ = _history(services, name, 1)
        value, provenance = newest.value, newest.value.provenance
        readers = services.reference_value_use.survey().by_policies.get(name, ())
        facts = {
            "value": json.dumps(value.value),
            "state": _state(services, newest),
            "expires": value.expires_at.isoformat(),
            "registered": f"{value.registered_at.isoformat()} by {newest.registered_by}",
            "source": value.source,
            "extractor": provenance.extractor if provenance else "-",
            "signer": (provenance.signer if provenance else None) or "-",
            "message": provenance.message_digest if provenance else "-",
            "read by": ", ".join(readers) or "no policy",
        }
    for fact, told in facts.items():
        click.echo(f"{fact}\t{told}")


@reference_values.command("history")
@click.argument("name")
@CONFIG
def show_history(name: str, config_path: Path | None) -> None:
    """List everything that was ever registered under NAME, newest first."""
    with opened(config_path) as services:
        for each in _history(services, name, 500):
            at = each.value.registered_at.strftime("%Y-%m-%d %H:%M:%S")
            provenance = each.value.provenance
            facts = (
                at,
                each.registered_by,
                each.value.source,
                provenance.message_digest if provenance else "-",
                _state(services, each),
                json.dumps(each.value.value),
            )
            click.echo("\t".join(facts))


@reference_values.command("verify")
@click.argument("file", type=click.File("rb"))
@CONFIG
def verify_message(file: Any, config_path: Path | None) -> None:  # noqa: ANN401
    """Read the RVPS message in FILE as it would be registered: who signed it, and its values."""
    message = _message(file)
    with opened(config_path) as services:
        read = services.reference_values.read(message)
    click.echo(f"extractor\t{read.provenance.extractor}")
    click.echo(f"signer\t{read.provenance.signer or '-'}")
    click.echo(f"message\t{read.provenance.message_digest}")
    for name, value in read.values.items():
        click.echo(f"value\t{name}\t{json.dumps(value)}")


@reference_values.command("missing")
@CONFIG
def list_missing(config_path: Path | None) -> None:
    """List names that policies read and that have no value: name, policies, newest decision."""
    with opened(config_path) as services:
        for each in services.reference_value_use.missing():
            policies = ",".join(each.policies) or "-"
            click.echo(f"{each.name}\t{policies}\t{each.decision_id or '-'}")


@reference_values.command("withdraw")
@click.argument("name")
@_DRAFT
@CONFIG
def withdraw_value(name: str, config_path: Path | None, *, draft: bool) -> None:
    """Take a value away from policies; its history stays."""
    with opened(config_path) as services:
        carry_out(services, ReferenceValuesChange(withdraw=(name,), source=_SOURCE), draft)


@reference_values.command("take")
@click.argument("decision_id")
@click.option("--name", "names", multiple=True, help="Take this one; without it, only list.")
@_DRAFT
@CONFIG
def take_values(
    decision_id: str, names: tuple[str, ...], config_path: Path | None, *, draft: bool
) -> None:
    """Take reference values from what the guest of a decision claimed."""
    with opened(config_path) as services:
        offer = services.attested_values.offer(decision_id)
        if not names:
            for each in offer.values:
                state = "met" if each.is_met else "open"
                claimed = json.dumps(each.claimed)
                click.echo(f"{state}\t{each.name}\t{each.part}\t{each.claim}\t{claimed}")
            return
        carry_out(services, take(offer, names), draft, origin=decision_id)


def _message(file: Any) -> JSONObject:  # noqa: ANN401
    try:
        return parse_json_object(file.read())
    except WireError as error:
        raise MalformedReferenceValueError(f"{file.name}: {error}") from error


def _history(services: Services, name: str, limit: int) -> list[RegisteredValue]:
    """The newest entries of a name, of which there is at least one."""
    history = services.reference_values.history(name, before=None, limit=limit)
    if not history:
        raise ReferenceValueNotFoundError("there never was a reference value of this name")
    return history


def _state(services: Services, entry: RegisteredValue) -> str:
    if entry.withdrawn_at:
        return f"withdrawn by {entry.withdrawn_by}"
    return services.reference_values.state_of(entry.value) if entry.active else "replaced"


reference_values.add_command(compute)
