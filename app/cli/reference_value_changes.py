"""A change of reference values, carried out or only proposed, for whichever command made it."""

from __future__ import annotations

import click

from app.blueprints.services import Services
from app.cli.opening import actor
from app.console.changes import ReferenceValuesChange


def carry_out(
    services: Services,
    change: ReferenceValuesChange,
    draft: bool,  # noqa: FBT001  (as it was asked for)
    origin: str | None = None,
) -> None:
    """Change reference values, or only propose it and print the proposal's id."""
    if draft:
        click.echo(services.proposals.propose(change, actor(), origin=origin).proposal_id)
        return
    if change.register:
        services.reference_values.add(change.register, change.source, actor())
    for name in change.withdraw:
        services.reference_values.withdraw(name, actor())
