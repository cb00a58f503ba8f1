"""The published interface: its operations, and requests that are compared with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import schemathesis
import yaml  # type: ignore[import-untyped]  # it ships no types, and one call needs none
from paths import ROOT
from schemathesis import Case
from schemathesis.checks import CheckFunction
from schemathesis.core.transport import Response
from schemathesis.schemas import APIOperation, BaseSchema
from schemathesis.specs.openapi.checks import (
    allow_header_conformance,
    positive_data_acceptance,
    response_schema_conformance,
    unsupported_method,
)

_DOCUMENT = yaml.safe_load(
    (ROOT / "app" / "blueprints" / "ops" / "openapi.yaml").read_text(encoding="utf-8")
)
# Method and path of every operation, and whether it is an operator's.
OPERATIONS = {
    f"{method.upper()} {path}": any("operatorToken" in each for each in item[method]["security"])
    for path, item in _DOCUMENT["paths"].items()
    for method in ("get", "post", "put", "delete")
    if method in item
}
# What a schema cannot say: which TEEs are enabled, what verifies, what compiles.
_BEYOND_SCHEMAS: list[CheckFunction] = [positive_data_acceptance]
# Trustee answers 404 to its own names with other methods, and so do we (wire.md 1.1).
_METHODS_OF_TRUSTEE: list[CheckFunction] = [unsupported_method, allow_header_conformance]


# An example can have these names, so its methods are allowed at the same address.
_NAMES_OF_EXAMPLES = ("/examples/run", "/examples/from-decision")
# These ask an address that the request names. Chance shall not choose where tests send anything;
# tests/http/test_added_issuers.py chooses it.
REACH_OUT = {"POST /api/v1/issuers", "POST /api/v1/issuer-discovery"}


@schemathesis.serializer("application/jose")
def as_bytes(_: schemathesis.SerializationContext, value: Any) -> bytes:
    """A compact JWS, and whatever stands in its place."""
    return value if isinstance(value, bytes) else str(value).encode(errors="surrogatepass")


@dataclass(frozen=True)
class Caller:
    """The interface, and what authenticates who calls it.

    Attributes:
        headers: of every request.
    """

    schema: BaseSchema
    headers: dict[str, str]

    def operation(self, label: str) -> APIOperation[Any, Any, Any, Any]:
        """An operation by its method and path."""
        found = self.schema.find_operation_by_label(label)
        assert found is not None, label
        return found

    def call(self, case: Case[Any], **headers: str) -> Response:
        """Send a request; status, headers and body must be such as the interface describes."""
        excluded = list(_BEYOND_SCHEMAS)
        if case.operation.path.startswith("/kbs/"):
            excluded += _METHODS_OF_TRUSTEE
        if case.operation.path.endswith(_NAMES_OF_EXAMPLES):
            excluded.append(allow_header_conformance)
        sent = self.headers | headers
        response = case.call(headers=sent)
        if response.headers.get("content-type") == ["application/jwt"]:
            # The tool takes this media type for JSON; a token's form has tests of its own.
            excluded.append(response_schema_conformance)
        case.validate_response(
            response, headers=sent, excluded_checks=excluded, transport_kwargs={"headers": sent}
        )
        return response
