"""Two policy engines that know nothing of each other, asked the same question."""

from __future__ import annotations

import json
from typing import Any

import regopy

from app.trust.policy_engine import UNDEFINED, PolicyText
from app.trust.regorus_engine import RegorusEngine

# For regopy the function is a second module of the package that reads data.
_LOOKUP = """package policy
import rego.v1
query_reference_value(name) := data.reference_values[name] if {
	name in object.keys(data.reference_values)
} else := null
"""


def by_regorus(text: str, rule: str, policy_input: Any, **more: Any) -> Any:
    """What the engine that serves says; ``UNDEFINED`` when it says nothing."""
    values = more.get("values")
    policy = PolicyText.of("p.rego", text)
    lookup = None if values is None else values.get
    return RegorusEngine().evaluate(
        policy, (rule,), policy_input, data=more.get("data"), lookup=lookup
    )[rule]


def by_regopy(text: str, rule: str, policy_input: Any, **more: Any) -> Any:
    """What Microsoft's rego-cpp says; ``UNDEFINED`` when it says nothing."""
    engine = regopy.Interpreter()
    engine.add_module("p", text)
    engine.add_data_json(json.dumps(more.get("data") or {}))
    if more.get("values") is not None:
        engine.add_module("lookup", _LOOKUP)
        engine.add_data_json(json.dumps({"reference_values": more["values"]}))
    engine.set_input(policy_input)
    # Of a bare reference the engine says "undefined" when it is false, so it is bound to a name.
    output = str(engine.query(f"found = data.policy.{rule}"))
    return UNDEFINED if output == "undefined" else json.loads(output)["bindings"]["found"]


def agreed(text: str, rule: str, policy_input: Any, **more: Any) -> Any:
    """What both say; a test fails where they differ."""
    ours, second = (ask(text, rule, policy_input, **more) for ask in (by_regorus, by_regopy))
    assert ours == second or (ours is second is UNDEFINED), f"{ours!r} is not {second!r}"
    return ours
