"""From evidence to what policies see: bindings before the verifier, annotated evidence after it.

The annotated evidence is the input of the attestation policy and stands in the token, one object
for both (wire.md, sections 9.4 and 9.5).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from app.attestation.evidence import Binding, Claims
from app.trust.appraiser import EvidenceItem
from app.trust.errors import MalformedInitDataError, MalformedRequestError
from app.trust.json_types import JSONObject, JSONValue
from guest.wire.errors import WireError
from guest.wire.init_data import parse_init_data
from guest.wire.runtime_data import hash_algorithm_of, runtime_data_digest
from guest.wire.strict_json import parse_json
from guest.wire.strict_toml import parse_toml

# Files of init data that are configuration of the guest's agents.
_CONFIGURATIONS = ("cdh.toml", "aa.toml")
_AGENT_POLICY = "policy.rego"
# Where a generated agent policy begins its data; what follows is one JSON document.
_POLICY_DATA = "policy_data := {"


@dataclass(frozen=True, slots=True)
class Bound:
    """What one piece of evidence must be bound to, and what that tells.

    Attributes:
        binding: for the verifier.
        runtime_claims: ``runtime_data_claims``: the structured runtime data, ``None`` without.
        init_claims: ``init_data_claims``: the files of the init data, ``None`` without.
    """

    binding: Binding
    runtime_claims: JSONObject | None = field(repr=False)
    init_claims: JSONObject | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Environment:
    """One attesting environment, verified.

    Attributes:
        name: of its submodule: class and index.
        tee_class: chooses the policy.
        annotated_evidence: its claims as the policy sees them.
    """

    name: str
    tee_class: str
    annotated_evidence: JSONObject = field(repr=False)


def bind(item: EvidenceItem, *, verbose: bool) -> Bound:
    """What a piece of evidence must be bound to.

    Args:
        item: the evidence with its runtime data and init data.
        verbose: whether policies and tokens see the evidence of devices again, as text, among the
            runtime data of the primary TEE. It is bound in either case.

    Raises:
        MalformedRequestError: the runtime data have no canonical form.
        MalformedInitDataError: the init data do not parse.
    """
    report_data, runtime_claims = item.raw_runtime_data, item.runtime_data
    if runtime_claims is not None:
        algorithm = item.hash_algorithm or hash_algorithm_of(item.tee)
        try:
            report_data = runtime_data_digest(runtime_claims, algorithm)
        except WireError as error:
            raise MalformedRequestError("the runtime data have no canonical JSON form") from error
        if not verbose:
            runtime_claims = {
                name: value
                for name, value in runtime_claims.items()
                if name != "additional-evidence"
            }
    init_digest, init_claims = item.init_data_digest, None
    if item.init_data_toml is not None:
        try:
            document = parse_init_data(item.init_data_toml)
        except WireError as error:
            raise MalformedInitDataError(str(error)) from error
        init_digest, init_claims = document.digest, _init_claims(document.data)
    return Bound(Binding(report_data, init_digest), runtime_claims, init_claims)


def name_environments(
    verified: Iterable[tuple[str, Bound, Claims]],
) -> Iterator[Environment]:
    """Submodules by class and running index, in the order of the evidence.

    Args:
        verified: TEE, binding and claims of each environment, the primary first.
    """
    counts: Counter[str] = Counter()
    for tee, bound, claims in verified:
        name = f"{claims.tee_class}{counts[claims.tee_class]}"
        counts[claims.tee_class] += 1
        yield Environment(name, claims.tee_class, annotate(tee, bound, claims.values))


def annotate(tee: str, bound: Bound, claims: JSONObject) -> JSONObject:
    """Claims of a verifier as policies see them (wire.md, section 9.4).

    ``report_data`` and ``init_data`` move to the top, each with what was hashed into it beside it;
    the rest stands under the name of the TEE.
    """
    rest = dict(claims)
    annotated: JSONObject = {}
    if "init_data" in rest:
        annotated["init_data"] = rest.pop("init_data")
        annotated["init_data_claims"] = bound.init_claims
    if "report_data" in rest:
        annotated["report_data"] = rest.pop("report_data")
        annotated["runtime_data_claims"] = bound.runtime_claims
    annotated[tee] = rest
    return annotated


def _init_claims(data: dict[str, str]) -> JSONObject:
    claims: JSONObject = dict(data)
    for name in _CONFIGURATIONS:
        if name in data:
            claims[name] = _configuration(data[name])
    if _AGENT_POLICY in data:
        policy_data = _agent_policy_data(data[_AGENT_POLICY])
        if policy_data is not None:
            del claims[_AGENT_POLICY]
            claims["agent_policy_claims"] = policy_data
    return claims


def _configuration(text: str) -> JSONValue:
    """A TOML file as JSON; the text itself when it is none, or holds what JSON cannot say."""
    try:
        table = parse_toml(text)
        json.dumps(table, allow_nan=False)
    except (WireError, TypeError, ValueError):
        return text
    return table


def _agent_policy_data(text: str) -> JSONValue:
    """The data of a generated agent policy; ``None`` when it is not of the generated form."""
    start = text.find(_POLICY_DATA)
    if start < 0:
        return None
    try:
        return parse_json(text[start + len(_POLICY_DATA) - 1 :])
    except WireError:
        return None
