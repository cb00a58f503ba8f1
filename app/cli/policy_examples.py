"""Examples kept beside policies, from the terminal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from app.blueprints.console.api_policies import example_as_json
from app.cli.opening import CONFIG, actor, opened
from app.cli.policies import kind_of, read_rego
from app.console.policy_examples import draft_of_json
from app.trust.errors import DecisionNotFoundError, MalformedRequestError
from guest.wire.errors import WireError
from guest.wire.strict_json import parse_json_object


@click.group("policy-examples")
def policy_examples() -> None:
    """Inputs kept beside policies, and what must come out of them."""


@policy_examples.command("list")
@click.argument("policy_id")
@CONFIG
def list_examples(policy_id: str, config_path: Path | None) -> None:
    """Print the examples of a policy, one JSON object a line."""
    with opened(config_path) as services:
        for example in services.policy_examples.all(kind_of(policy_id), policy_id):
            click.echo(json.dumps(example_as_json(example), ensure_ascii=False))


@policy_examples.command("set")
@click.argument("policy_id")
@click.argument("file", type=click.File("rb"))
@CONFIG
def set_example(policy_id: str, file: Any, config_path: Path | None) -> None:  # noqa: ANN401
    """Keep the example in FILE, in place of the one of its name if there is one."""
    try:
        draft = draft_of_json(parse_json_object(file.read()))
    except WireError as error:
        raise MalformedRequestError(f"the example does not parse: {error}") from error
    kind = kind_of(policy_id)
    with opened(config_path) as services:
        kept = services.policy_examples.all(kind, policy_id)
        seen = next((each.revision for each in kept if each.name == draft.name), 0)
        services.policy_examples.save(kind, policy_id, draft, actor(), seen=seen)


@policy_examples.command("from-decision")
@click.argument("policy_id")
@click.argument("decision_id")
@CONFIG
def example_from_decision(policy_id: str, decision_id: str, config_path: Path | None) -> None:
    """Keep a recorded decision as an example, with what came out of it."""
    kind = kind_of(policy_id)
    with opened(config_path) as services:
        record = services.decisions.find(decision_id)
        if record is None:
            raise DecisionNotFoundError("no decision of this id is recorded")
        draft = services.policy_examples.from_decision(record, kind, policy_id)
        saved = services.policy_examples.save(kind, policy_id, draft, actor(), seen=0)
        click.echo(saved.name)


@policy_examples.command("remove")
@click.argument("policy_id")
@click.argument("name")
@CONFIG
def remove_example(policy_id: str, name: str, config_path: Path | None) -> None:
    """Remove an example."""
    with opened(config_path) as services:
        kept = services.policy_examples
        kept.remove(kept.get(kind_of(policy_id), policy_id, name), actor())


@policy_examples.command("run")
@click.argument("policy_id")
@click.option("--file", type=click.File("rb"), help="Rego, instead of the newest version.")
@CONFIG
@click.pass_context
def run_examples(
    ctx: click.Context,
    policy_id: str,
    file: Any,  # noqa: ANN401
    config_path: Path | None,
) -> None:
    """Run the examples of a policy; exit status 1 when one does not hold."""
    kind = kind_of(policy_id)
    with opened(config_path) as services:
        history = services.policy_shelf.history(kind, policy_id)
        text = history.newest.text if file is None else read_rego(file)
        results = services.policy_examples.run(kind, policy_id, text)
    for result in results:
        state = "holds" if result.holds else "broken"
        click.echo(f"{result.name}\t{state}\t{result.expected}\t{result.came_out}")
    if not all(result.holds for result in results):
        ctx.exit(1)
