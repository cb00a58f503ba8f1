"""Whose tokens are believed, from the terminal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from app.blueprints.services import Services
from app.cli.opening import CONFIG, actor, opened
from app.console.inspection.reports import token_as_json
from app.console.issuer_needs import issuer_as_json, key_as_json, keys_as_json, keys_of
from app.console.issuer_requests import parse_key_set_text
from app.trust.json_types import JSONObject

_NAME = click.argument("name")


@click.group()
def issuers() -> None:
    """Issuers of tokens that the KBS believes."""


@issuers.command("list")
@CONFIG
def list_issuers(config_path: Path | None) -> None:
    """List the issuers, those of the settings first."""
    with opened(config_path) as services:
        for each in services.issuer_desk.issuers.all():
            state = "believed" if each.is_believed else "not believed"
            written = "console" if each.stored else "settings"
            click.echo(f"{each.issuer.name}\t{each.issuer.iss}\t{state}\t{written}")


@issuers.command("show")
@_NAME
@CONFIG
def show_issuer(name: str, config_path: Path | None) -> None:
    """Print what a token of an issuer needs, and its keys."""
    with opened(config_path) as services:
        _show(services, name)


@issuers.command("discover")
@click.argument("url")
@click.option("--tls-ca", type=click.File("r"), help="PEM; the only authorities that are believed.")
@CONFIG
def discover_issuer(url: str, tls_ca: Any, config_path: Path | None) -> None:  # noqa: ANN401
    """Show which keys an issuer publishes at URL; nothing is trusted by that."""
    with opened(config_path) as services:
        found = services.issuer_desk.discover(url, tls_ca.read() if tls_ca else "")
        keys = [key_as_json(key) for key in found.keys]
        click.echo(json.dumps({"issuer": found.iss, "keys": keys}, indent=2))


def _needs(command: Any) -> Any:  # noqa: ANN401  (click's decorators)
    for option in (
        click.option("--tee-key-path", "tee_key_paths", multiple=True, help="A JSON pointer."),
        click.option("--leeway-seconds", type=int, default=60, show_default=True),
        click.option("--audience", default="", help="Required aud."),
        click.option("--algorithm", "algorithms", multiple=True, default=("ES256",)),
    ):
        command = option(command)
    return CONFIG(command)


@issuers.command("add-address")
@_NAME
@click.argument("url")
@click.option("--thumbprint", "thumbprints", multiple=True, required=True, help="Of each key.")
@click.option("--issuer", default="", help="Its iss, where discovery does not tell it.")
@click.option("--tls-ca", type=click.File("r"), help="PEM; the only authorities that are believed.")
@_needs
def add_address(config_path: Path | None, tls_ca: Any, **members: Any) -> None:  # noqa: ANN401
    """Trust the issuer at URL, whose keys have exactly these thumbprints now."""
    _add(config_path, members | {"tls_ca": tls_ca.read() if tls_ca else ""})


@issuers.command("add-keys")
@_NAME
@click.argument("issuer")
@click.argument("file", type=click.File("r"))
@_needs
def add_keys(config_path: Path | None, file: Any, **members: Any) -> None:  # noqa: ANN401
    """Trust the issuer with this iss by the JWK set in FILE."""
    _add(config_path, members | {"key_set": parse_key_set_text(file.read())})


@issuers.command("add-authority")
@_NAME
@click.argument("issuer")
@click.argument("file", type=click.File("r"))
@_needs
def add_authority(config_path: Path | None, file: Any, **members: Any) -> None:  # noqa: ANN401
    """Trust the issuer with this iss by the PEM certificates in FILE."""
    _add(config_path, members | {"certificates": file.read()})


@issuers.command("enable")
@_NAME
@CONFIG
def enable_issuer(name: str, config_path: Path | None) -> None:
    """Believe the tokens of an added issuer again."""
    with opened(config_path) as services:
        services.issuer_desk.issuers.set_enabled(name, enabled=True, actor=actor())


@issuers.command("disable")
@_NAME
@CONFIG
def disable_issuer(name: str, config_path: Path | None) -> None:
    """Believe the tokens of an added issuer no longer."""
    with opened(config_path) as services:
        services.issuer_desk.issuers.set_enabled(name, enabled=False, actor=actor())


@issuers.command("remove")
@_NAME
@CONFIG
def remove_issuer(name: str, config_path: Path | None) -> None:
    """Forget an added issuer."""
    with opened(config_path) as services:
        services.issuer_desk.issuers.remove(name, actor())


@issuers.command("check")
@_NAME
@click.argument("file", type=click.File("r"))
@CONFIG
@click.pass_context
def check_token(ctx: click.Context, name: str, file: Any, config_path: Path | None) -> None:  # noqa: ANN401
    """Check the token in FILE against an issuer; exit status 1 when it is not believed."""
    with opened(config_path) as services:
        services.issuer_desk.issuers.get(name)
        report = services.inspectors.tokens.inspect(file.read(), issuer=name)
    click.echo(json.dumps(token_as_json(report), ensure_ascii=False, indent=2))
    if not report.is_verified:
        ctx.exit(1)


@issuers.command("certificates")
@CONFIG
def certificates(config_path: Path | None) -> None:
    """List the certificates that this server stands on, the first to expire first."""
    with opened(config_path) as services:
        for each in services.certificates():
            ends = each.not_after.isoformat() if each.not_after else "-"
            click.echo(f"{each.state}\t{ends}\t{each.purpose}\t{each.subject}\t{each.where}")


def _add(config_path: Path | None, members: dict[str, Any]) -> None:
    body: JSONObject = {
        name: list(value) if isinstance(value, tuple) else value for name, value in members.items()
    }
    with opened(config_path) as services:
        _show(services, services.issuer_desk.add(body, actor()).name)


def _show(services: Services, name: str) -> None:
    found = services.issuer_desk.issuers.get(name)
    keys = keys_of(found, services.clock.now(), services.kbs.revisions.current())
    shown = {**issuer_as_json(found), **keys_as_json(keys)}
    click.echo(json.dumps(shown, ensure_ascii=False, indent=2))
