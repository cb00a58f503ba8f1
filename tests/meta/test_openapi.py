"""The published OpenAPI describes the routes that are served: all of them, and as they are."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest
import schemathesis
import yaml  # type: ignore[import-untyped]  # it ships no types, and one call needs none
from flask import Flask
from repository import ROOT
from schemathesis.core.result import Ok
from werkzeug.exceptions import HTTPException

from app.blueprints import gate
from app.blueprints.errors import AS_STATUS, KBS_STATUS
from app.console.permissions import Permission

PATH = ROOT / "app" / "blueprints" / "ops" / "openapi.yaml"
DOCUMENT: dict[str, Any] = yaml.safe_load(PATH.read_text(encoding="utf-8"))
MACHINE_BLUEPRINTS = {"attestation", "broker", "api", "ops"}
# What is no operation: the refusal of every path below /kbs/v0 that no plugin takes.
UNDESCRIBED = {"broker.call_plugin"}
METHODS = ("get", "put", "post", "delete")


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Path, method and description of every operation."""
    for path, item in DOCUMENT["paths"].items():
        for method in METHODS:
            if method in item:
                yield path, method, item[method]


OPERATIONS = list(operations())
IDS = [f"{method} {path}" for path, method, _ in OPERATIONS]


def endpoint_of(app: Flask, path: str, method: str) -> str | None:
    """The endpoint that a path of the document is routed to, with any value for its parameters."""
    example = re.sub(r"\{\w+\}", "x", path)
    try:
        endpoint, _ = app.url_map.bind("localhost").match(example, method.upper())
    except HTTPException:
        return None
    return str(endpoint)


def test_every_route_is_described_and_nothing_else(full_app: Flask) -> None:
    """Endpoints and methods of the machine blueprints, one operation each."""
    routed = {
        (route.endpoint, method.lower())
        for route in full_app.url_map.iter_rules()
        if route.endpoint.partition(".")[0] in MACHINE_BLUEPRINTS
        and route.endpoint not in UNDESCRIBED
        for method in (route.methods or set()) - {"HEAD", "OPTIONS"}
    }
    described = [(endpoint_of(full_app, path, method), method) for path, method, _ in OPERATIONS]
    assert sorted(described, key=str) == sorted(routed)


@pytest.mark.parametrize(("path", "method", "operation"), OPERATIONS, ids=IDS)
def test_security_is_the_access_rule(
    path: str, method: str, operation: dict[str, Any], full_app: Flask
) -> None:
    """What the document asks for is what the gate asks for."""
    endpoint = endpoint_of(full_app, path, method)
    assert endpoint is not None
    rule = gate.rules(full_app)[endpoint]
    if isinstance(rule, Permission):
        assert operation["security"] == [{"operatorToken": [rule.value]}]
    elif rule is gate.GUEST:
        names = {name for each in operation["security"] for name in each}
        assert names
        assert names <= {"guestSession", "attestationToken"}
    else:
        assert operation["security"] == []


@pytest.mark.parametrize(("path", "method", "operation"), OPERATIONS, ids=IDS)
def test_operations_are_explained(path: str, method: str, operation: dict[str, Any]) -> None:
    """A summary, a name, a tag, and every parameter of the path."""
    assert operation["summary"]
    assert re.fullmatch(r"[a-z][A-Za-z]+", operation["operationId"])
    assert set(operation["tags"]) <= {tag["name"] for tag in DOCUMENT["tags"]}
    parameters = [*DOCUMENT["paths"][path].get("parameters", []), *operation.get("parameters", [])]
    named = {resolve(each)["name"] for each in parameters if resolve(each)["in"] == "path"}
    assert named == set(re.findall(r"\{(\w+)\}", path))


@pytest.mark.parametrize(("path", "method", "operation"), OPERATIONS, ids=IDS)
def test_statuses_are_those_of_the_dialect(
    path: str, method: str, operation: dict[str, Any]
) -> None:
    """No operation promises a status that its dialect does not have."""
    table = KBS_STATUS if path.startswith("/kbs/") else AS_STATUS
    possible = {str(status) for status in table.values()} | {"200", "405", "500"}
    assert set(operation["responses"]) <= possible
    assert "500" in operation["responses"]


def test_operation_names_are_unique() -> None:
    """Generated clients have one function each."""
    names = [operation["operationId"] for _, _, operation in OPERATIONS]
    assert sorted(names) == sorted(set(names))


@pytest.mark.parametrize("name", DOCUMENT["components"]["schemas"])
def test_schemas_are_schemas(name: str) -> None:
    """Each is valid under the dialect of OpenAPI 3.1, JSON Schema 2020-12."""
    schema = DOCUMENT["components"]["schemas"][name]
    jsonschema_rs.meta.validate(
        {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
    )


def test_the_document_loads_as_openapi() -> None:
    """A tool that generates requests from it understands every operation."""
    loaded = schemathesis.openapi.from_dict(DOCUMENT)
    understood = [isinstance(result, Ok) for result in loaded.get_all_operations()]
    assert understood == [True] * len(OPERATIONS)


def test_every_reference_leads_somewhere_and_nothing_is_left_over() -> None:
    """References resolve, and every component is used."""
    used = set(re.findall(r"#/components/(\w+/\w+)", PATH.read_text(encoding="utf-8")))
    defined = {
        f"{kind}/{name}"
        for kind, members in DOCUMENT["components"].items()
        if kind != "securitySchemes"
        for name in members
    }
    assert used == defined


def resolve(value: dict[str, Any]) -> dict[str, Any]:
    """A parameter, or the one that it refers to."""
    reference = value.get("$ref")
    if reference is None:
        return value
    found: Any = DOCUMENT
    for part in str(reference).removeprefix("#/").split("/"):
        found = found[part]
    resolved: dict[str, Any] = found
    return resolved
