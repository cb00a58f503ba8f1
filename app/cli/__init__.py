"""``vouchgate``: serve, and operate what is served.

Every command reads the same settings as the server (``--config`` or ``VOUCHGATE_CONFIG``) and works
on its database; a running server notices at its next request. What a command needs is loaded when
it is asked for, because most of them need little of the house.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

import click

from app.trust.errors import ConfigError, DomainError

# Each with the module of this package that has it, under its name with underscores.
_MODULES = {
    "api-tokens": "api_tokens",
    "audit": "audit",
    "check-config": "running",
    "collateral": "collateral",
    "decisions": "decisions",
    "demo": "running",
    "guest-file": "guests",
    "init-data": "inspect",
    "inspect": "inspect",
    "issuers": "issuers",
    "keys": "keys",
    "lab": "lab",
    "operators": "operators",
    "overview": "overview",
    "policies": "policies",
    "policy-examples": "policy_examples",
    "proposals": "proposals",
    "reference-values": "reference_values",
    "secrets": "secrets",
    "serve": "running",
    "sessions": "sessions",
    "settings": "settings",
}


class Commands(click.Group):
    """Commands that are loaded by name, and end with the reason instead of a traceback."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  (click's signature)
        """Their names."""
        return list(_MODULES)

    def get_command(
        self,
        ctx: click.Context,  # noqa: ARG002  (click's signature)
        cmd_name: str,
    ) -> click.Command | None:
        """One of them, loaded; ``None`` where there is none of this name."""
        if cmd_name not in _MODULES:
            return None
        module = import_module(f"app.cli.{_MODULES[cmd_name]}")
        command: click.Command = getattr(module, cmd_name.replace("-", "_"))
        return command

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


@click.group(cls=Commands)
@click.version_option(package_name="vouchgate")
def main() -> None:
    """Attestation and secret delivery for confidential computing."""
