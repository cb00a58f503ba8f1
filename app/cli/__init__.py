"""``vouchgate``: serve, and operate what is served.

Every command reads the same settings as the server (``--config`` or ``VOUCHGATE_CONFIG``) and works
on its database; a running server notices at its next request.
"""

from __future__ import annotations

from typing import Any

import click

from app.cli import (
    api_tokens,
    audit,
    collateral,
    computing,
    decisions,
    guests,
    inspect,
    issuers,
    keys,
    lab,
    operators,
    overview,
    policies,
    policy_examples,
    proposals,
    reference_values,
    running,
    secrets,
    sessions,
    settings,
)
from app.trust.errors import ConfigError, DomainError


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


for _command in (
    running.serve,
    running.demo,
    running.check_config,
    operators.operators,
    sessions.sessions,
    api_tokens.api_tokens,
    guests.guest_file,
    keys.keys,
    secrets.secrets,
    policies.policies,
    policy_examples.policy_examples,
    proposals.proposals,
    reference_values.reference_values,
    decisions.decisions,
    collateral.collateral,
    lab.lab,
    audit.audit,
    inspect.inspect,
    inspect.init_data,
    issuers.issuers,
    settings.settings,
    overview.overview,
):
    main.add_command(_command)
reference_values.reference_values.add_command(computing.compute)
