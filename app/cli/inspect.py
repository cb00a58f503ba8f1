"""Tokens, evidence, init data and resource URIs taken apart, from the terminal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from app.cli.opening import CONFIG, opened
from app.console.inspection.composer import InitDataDraft, compose
from app.console.inspection.evidence import parse_evidence
from app.console.inspection.init_data import inspect_init_data
from app.console.inspection.reports import (
    evidence_as_json,
    init_data_as_json,
    token_as_json,
    uri_as_json,
)
from app.trust.errors import MalformedRequestError

_FILE = click.argument("file", type=click.File("rb"))


@click.group()
def inspect() -> None:
    """Take tokens, evidence, init data and resource URIs apart."""


@inspect.command("token")
@_FILE
@CONFIG
@click.pass_context
def inspect_token(ctx: click.Context, file: Any, config_path: Path | None) -> None:  # noqa: ANN401
    """Say what the token in FILE says, and whether to believe it; exit status 1 when not."""
    with opened(config_path) as services:
        report = services.inspectors.tokens.inspect(_read(file))
    _show(token_as_json(report))
    if not report.is_verified:
        ctx.exit(1)


@inspect.command("evidence")
@_FILE
@click.option("--tee", help="The wire name of the TEE, where FILE does not say it.")
@CONFIG
@click.pass_context
def inspect_evidence(
    ctx: click.Context,
    file: Any,  # noqa: ANN401
    tee: str | None,
    config_path: Path | None,
) -> None:
    """Verify the evidence in FILE as far as that goes without a challenge; 1 when it fails."""
    items = parse_evidence(_read(file), tee)
    with opened(config_path) as services:
        reports = [services.inspectors.evidence.inspect(item) for item in items]
    _show(evidence_as_json(reports))
    if not all(each.is_genuine for each in reports):
        ctx.exit(1)


@inspect.command("init-data")
@_FILE
@CONFIG
def inspect_document(file: Any, config_path: Path | None) -> None:  # noqa: ANN401, ARG001  (as its siblings)
    """Show what the init data in FILE hold, and their digest in the form of each TEE."""
    _show(init_data_as_json(inspect_init_data(_read(file))))


@inspect.command("uri")
@_FILE
@CONFIG
def inspect_uri(file: Any, config_path: Path | None) -> None:  # noqa: ANN401
    """Say what the resource URI in FILE names, and what would decide about it here."""
    with opened(config_path) as services:
        report = services.inspectors.uris.inspect(_read(file), tells_existence=True)
    _show(uri_as_json(report))


@click.group("init-data")
def init_data() -> None:
    """Init data for guests of this server."""


@init_data.command("compose")
@click.option("--kbs-url", help="Where guests ask for resources; this server otherwise.")
@click.option("--as-url", default="", help="Where guests ask for tokens in the passport model.")
@click.option("--certificate", type=click.File("r"), help="PEM of the authority of both.")
@click.option("--algorithm", default="sha256", show_default=True)
@click.option("--image-policy-uri", default="", help="kbs:/// of the image security policy.")
@click.option("--registry-credentials-uri", default="", help="kbs:/// of registry credentials.")
@click.option("--agent-policy", type=click.File("r"), help="Rego of kata's agent.")
@click.option("--json", "as_json", is_flag=True, help="Digests and annotation, too.")
@CONFIG
def compose_init_data(config_path: Path | None, *, as_json: bool, **given: Any) -> None:  # noqa: ANN401
    """Print init data that lead a guest to this server."""
    with opened(config_path) as services:
        url = given.pop("kbs_url") or services.posture.public_url
        certificate, policy = given.pop("certificate"), given.pop("agent_policy")
        pem = certificate.read() if certificate else services.inspectors.server_certificate()
        draft = InitDataDraft(
            kbs_url=url, certificate=pem, agent_policy=policy.read() if policy else "", **given
        )
    report = compose(draft)
    if as_json:
        _show(init_data_as_json(report))
    else:
        click.echo(report.document.text, nl=False)


def _read(file: Any) -> str:  # noqa: ANN401
    try:
        return str(file.read().decode("utf-8"))
    except UnicodeDecodeError as error:
        raise MalformedRequestError(f"{file.name} is not UTF-8 text") from error


def _show(report: Any) -> None:  # noqa: ANN401
    click.echo(json.dumps(report, ensure_ascii=False, indent=2))
