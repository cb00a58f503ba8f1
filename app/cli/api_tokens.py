"""API tokens, from the terminal."""

from __future__ import annotations

from pathlib import Path

import click

from app.cli.opening import CONFIG, actor, opened
from app.console.api_tokens import MAX_DAYS, Maker, TokenDraft
from app.console.permissions import Permission, Role, permissions_of

_PAGE = 500


@click.group("api-tokens")
def api_tokens() -> None:
    """What programs show instead of a person."""


@api_tokens.command("list")
@CONFIG
def list_tokens(config_path: Path | None) -> None:
    """List API tokens: id, role, maker, when it expires, label."""
    with opened(config_path) as services:
        after = None
        while page := services.api_tokens.page(after=after, limit=_PAGE):
            for each in page:
                until = each.expires_at.isoformat()
                click.echo(f"{each.token_id}\t{each.role}\t{each.maker}\t{until}\t{each.label}")
            after = page[-1].token_id


@api_tokens.command("make")
@click.argument("label")
@click.option("--role", type=click.Choice([role.value for role in Role]), required=True)
@click.option("--days", type=click.IntRange(1, MAX_DAYS), default=90)
@click.option(
    "--permission",
    "permissions",
    type=click.Choice([permission.value for permission in Permission]),
    multiple=True,
    help="Narrow the token to this permission; may be given several times.",
)
@CONFIG
def make_token(
    label: str, role: str, days: int, permissions: tuple[str, ...], config_path: Path | None
) -> None:
    """Make an API token and print it, once."""
    narrowed = frozenset(Permission(each) for each in permissions) or None
    by = actor()
    with opened(config_path) as services:
        _, text = services.api_tokens.make(
            TokenDraft(label, Role(role), narrowed, days),
            Maker(by, permissions_of(by.role), account=None),
        )
        click.echo(text)


@api_tokens.command("revoke")
@click.argument("token_id")
@CONFIG
def revoke_token(token_id: str, config_path: Path | None) -> None:
    """End an API token; the next request that shows it is refused."""
    with opened(config_path) as services:
        services.api_tokens.revoke(token_id, actor())
        click.echo("revoked")
