"""The policy engine that serves: regorus, the engine that Trustee's policies are written for.

An engine of regorus belongs to the thread that made it, so each thread compiles for itself and
keeps what it compiled by the digest of the text. An evaluation works on a clone, which shares the
compiled rules and costs microseconds, so nothing of one request is there for the next.

There is no time limit within an evaluation: policies are operators' own, and what could hang or end
the process is refused when they are set (``app/trust/rego_limits.py``, ``rego_source.py``).
"""

from __future__ import annotations

import json
import re
import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol, cast

import regorus

from app.trust.errors import MalformedPolicyError, PolicyFailedError, UnavailableError
from app.trust.json_types import JSONValue
from app.trust.policy_conditions import Condition
from app.trust.policy_engine import (
    UNDEFINED,
    Coverage,
    DataReference,
    LiteralMember,
    PolicyText,
    ReferenceNames,
    ReferenceValueLookup,
    Undefined,
)
from app.trust.rego_conditions import read_conditions
from app.trust.rego_limits import MAX_COLUMNS, MAX_LINES, MAX_POLICY_BYTES, check_limits
from app.trust.rego_references import read_reference_names
from app.trust.rego_source import RegoSource

PACKAGE = "policy"
LOOKUP_FUNCTION = "query_reference_value"
# Compiled policies a thread keeps: one for each class of evidence (about 400 KiB), one for each
# scope of resources (about 12 KiB), and what replays of old decisions bring.
_CACHED_POLICIES = 128

_UNDEFINED_JSON = '"<undefined>"'
_NO_RULE = "not a valid rule path"
_PLACE = re.compile(r"^--> .*:(?P<line>\d+):(?P<column>\d+)$", re.MULTILINE)
_MESSAGE = re.compile(r"^error: (?P<message>.*)$", re.MULTILINE)


class _Engine(Protocol):
    """The part of ``regorus.Engine`` that is used here; the library has no annotations."""

    def add_policy(self, path: str, rego: str) -> str: ...
    def add_extension(self, path: str, nargs: int, extension: object) -> None: ...
    def add_data_json(self, data: str) -> None: ...
    def set_input_json(self, json: str) -> None: ...
    def set_policy_length_config(
        self, *, max_col: int, max_file_bytes: int, max_lines: int
    ) -> None: ...
    def set_gather_prints(self, enable: bool) -> None: ...  # noqa: FBT001  (the library's)
    def set_enable_coverage(self, enable: bool) -> None: ...  # noqa: FBT001  (the library's)
    def eval_rule_as_json(self, rule: str) -> str: ...
    def eval_query_as_json(self, query: str) -> str: ...
    def get_coverage_report_as_json(self) -> str: ...
    def get_ast_as_json(self) -> str: ...
    def get_packages(self) -> list[str]: ...
    def clone(self) -> _Engine: ...


class _Asker:
    """What ``query_reference_value`` calls: all clones share it, each evaluation points it anew."""

    def __init__(self) -> None:
        self._lookup: ReferenceValueLookup | None = None
        self.failure: Exception | None = None

    def __call__(self, name: JSONValue) -> JSONValue:
        if self._lookup is None or not isinstance(name, str):
            return None
        try:
            return self._lookup(name)
        except Exception as error:
            # The engine would make a text of it; what went wrong decides the answer.
            self.failure = error
            raise

    @contextmanager
    def pointed_at(self, lookup: ReferenceValueLookup | None) -> Iterator[None]:
        """Answer from this look-up for the length of an evaluation."""
        self._lookup, self.failure = lookup, None
        try:
            yield
        finally:
            self._lookup = None


class _Compiled:
    """One policy, ready to evaluate, in the thread that compiled it."""

    def __init__(self, policy: PolicyText, *, reference_values: bool) -> None:
        check_limits(policy.name, policy.text)
        self.engine: _Engine = regorus.Engine()
        self.asker = _Asker()
        if reference_values:
            self.engine.add_extension(LOOKUP_FUNCTION, 1, self.asker)
        self.engine.set_policy_length_config(
            max_col=MAX_COLUMNS, max_file_bytes=MAX_POLICY_BYTES, max_lines=MAX_LINES
        )
        # Otherwise `print` writes claims to the standard error stream.
        self.engine.set_gather_prints(True)
        try:
            self.engine.add_policy(policy.name, policy.text)
            # The first query makes the engine analyse the whole policy; clones inherit that.
            self.engine.eval_query_as_json("true")
        except RuntimeError as error:
            raise _malformed(policy, error) from None


class _Cache(threading.local):
    """The compiled policies of a thread, least recently used first, and conditions of policies."""

    def __init__(self) -> None:
        self.compiled: OrderedDict[tuple[str, bool], _Compiled] = OrderedDict()
        self.conditions: OrderedDict[tuple[str, str], tuple[Condition, ...]] = OrderedDict()


class RegorusEngine:
    """The port ``PolicyEngine`` on regorus."""

    def __init__(self) -> None:
        """Start with nothing compiled."""
        self._cache = _Cache()

    def check(self, policy: PolicyText, *, rules: tuple[str, ...], reference_values: bool) -> None:
        """See ``PolicyEngine.check``."""
        compiled = _Compiled(policy, reference_values=reference_values)
        source = _source(policy, compiled)
        for rule in rules:
            if rule not in source.rules or source.rules[rule].is_function:
                raise MalformedPolicyError(f"{policy.name} has no rule {rule!r}")
        source.check_chains()
        for name, at in source.foreign_calls().items():
            if not _exists(name, reference_values=reference_values):
                raise MalformedPolicyError(
                    f"{policy.name} calls {name}, which is no function",
                    line=at.line,
                    column=at.column,
                )
        _try_out(policy, compiled, source, rules)

    def rules(self, policy: PolicyText, *, reference_values: bool) -> frozenset[str]:
        """See ``PolicyEngine.rules``."""
        source = _source(policy, _Compiled(policy, reference_values=reference_values))
        return frozenset(name for name, rule in source.rules.items() if not rule.is_function)

    def literal_values(
        self, policy: PolicyText, rule: str, *, reference_values: bool
    ) -> tuple[JSONValue | Undefined, ...]:
        """See ``PolicyEngine.literal_values``."""
        source = _source(policy, _Compiled(policy, reference_values=reference_values))
        return source.literal_values(rule)

    def data_references(
        self, policy: PolicyText, *, reference_values: bool
    ) -> tuple[DataReference, ...]:
        """See ``PolicyEngine.data_references``."""
        source = _source(policy, _Compiled(policy, reference_values=reference_values))
        found = source.data_references()
        return tuple(DataReference(name, at.line, at.column) for name, at in found.items())

    def literal_members(self, policy: PolicyText, rule: str) -> tuple[LiteralMember, ...]:
        """See ``PolicyEngine.literal_members``."""
        compiled = _Compiled(policy, reference_values=True)
        return _source(policy, compiled).literal_members(rule)

    def conditions(self, policy: PolicyText, rule: str) -> tuple[Condition, ...]:
        """See ``PolicyEngine.conditions``."""
        key, kept = (policy.digest, rule), self._cache.conditions
        if key not in kept:
            compiled = _Compiled(policy, reference_values=True)
            kept[key] = read_conditions(compiled.engine.get_ast_as_json(), policy.text, rule)
            if len(kept) > _CACHED_POLICIES:
                kept.popitem(last=False)
        return kept[key]

    def reference_names(self, policy: PolicyText) -> ReferenceNames:
        """See ``PolicyEngine.reference_names``."""
        compiled = _Compiled(policy, reference_values=True)
        return read_reference_names(compiled.engine.get_ast_as_json())

    def evaluate(
        self,
        policy: PolicyText,
        rules: tuple[str, ...],
        policy_input: JSONValue,
        *,
        data: Mapping[str, JSONValue] | None = None,
        lookup: ReferenceValueLookup | None = None,
    ) -> dict[str, JSONValue | Undefined]:
        """See ``PolicyEngine.evaluate``."""
        compiled = self._compiled(policy, reference_values=lookup is not None)
        engine = compiled.engine.clone()
        with _failures_of(policy, compiled.asker), compiled.asker.pointed_at(lookup):
            _prepare(engine, policy_input, data)
            return {rule: _value(engine, rule) for rule in rules}

    def coverage(
        self,
        policy: PolicyText,
        rule: str,
        policy_input: JSONValue,
        *,
        data: Mapping[str, JSONValue] | None = None,
        lookup: ReferenceValueLookup | None = None,
    ) -> Coverage:
        """See ``PolicyEngine.coverage``."""
        compiled = self._compiled(policy, reference_values=lookup is not None)
        engine = compiled.engine.clone()
        with _failures_of(policy, compiled.asker), compiled.asker.pointed_at(lookup):
            engine.set_enable_coverage(True)
            _prepare(engine, policy_input, data)
            _value(engine, rule)
            file = json.loads(engine.get_coverage_report_as_json())["files"][0]
        return Coverage(frozenset(file["covered"]), frozenset(file["not_covered"]))

    def close(self) -> None:
        """Forget what this thread has compiled.

        The library wants an engine dropped by the thread that made it; a collection of garbage
        would drop it wherever it happens to run.
        """
        self._cache.compiled.clear()

    def _compiled(self, policy: PolicyText, *, reference_values: bool) -> _Compiled:
        key, kept = (policy.digest, reference_values), self._cache.compiled
        found = kept.get(key)
        if found is not None:
            kept.move_to_end(key)
            return found
        try:
            compiled = _Compiled(policy, reference_values=reference_values)
        except MalformedPolicyError as error:
            raise PolicyFailedError(f"the stored policy {policy.name} does not compile") from error
        kept[key] = compiled
        if len(kept) > _CACHED_POLICIES:
            kept.popitem(last=False)
        return compiled


def _source(policy: PolicyText, compiled: _Compiled) -> RegoSource:
    if compiled.engine.get_packages() != [f"data.{PACKAGE}"]:
        raise MalformedPolicyError(f"the package of {policy.name} is not {PACKAGE!r}")
    return RegoSource(compiled.engine.get_ast_as_json(), PACKAGE)


def _exists(function: str, *, reference_values: bool) -> bool:
    """Whether the engine has a function; only calling it tells for all of them."""
    if function == LOOKUP_FUNCTION:
        return reference_values
    probe = regorus.Engine()
    try:
        probe.add_policy("probe", f"package probe\nx := {function}()")
        probe.eval_query_as_json("data.probe.x")
    except RuntimeError as error:
        return "could not find function" not in str(error)
    return True


def _try_out(
    policy: PolicyText, compiled: _Compiled, source: RegoSource, rules: tuple[str, ...]
) -> None:
    """Evaluate with an empty input: some faults show only then.

    What fails because the input is empty is no fault; a rule that no input can change is.
    """
    engine = compiled.engine.clone()
    engine.set_input_json("{}")
    for rule in rules:
        try:
            engine.eval_rule_as_json(f"data.{PACKAGE}.{rule}")
        except RuntimeError as error:
            fault = _malformed(policy, error)
            if "recursion detected" in fault.message or not source.depends_on_input(
                fault.line or 0
            ):
                raise fault from None


def _prepare(
    engine: _Engine, policy_input: JSONValue, data: Mapping[str, JSONValue] | None
) -> None:
    if data:
        # Data of this name would take the place of the policy's own rules.
        assert PACKAGE not in data, "data must not shadow the policy"
        engine.add_data_json(json.dumps(dict(data)))
    engine.set_input_json(json.dumps(policy_input))


def _value(engine: _Engine, rule: str) -> JSONValue | Undefined:
    path = f"data.{PACKAGE}.{rule}"
    try:
        text = engine.eval_rule_as_json(path)
    except RuntimeError as error:
        if str(error).startswith(_NO_RULE):
            return UNDEFINED
        raise
    if text == _UNDEFINED_JSON and "result" not in json.loads(engine.eval_query_as_json(path)):
        return UNDEFINED
    return cast("JSONValue", json.loads(text))


@contextmanager
def _failures_of(policy: PolicyText, asker: _Asker) -> Iterator[None]:
    """Say in our words what goes wrong within, and let no failed look-up pass.

    The engine's own words can quote claims, so they are not even chained to the error.
    """
    try:
        yield
    except (RuntimeError, ValueError, RecursionError) as error:
        _raise_failed_lookup(asker)
        place = _PLACE.search(str(error))
        where = f" at line {place['line']}, column {place['column']}" if place else ""
        raise PolicyFailedError(f"the policy {policy.name} failed{where}") from None
    except BaseException as error:
        # A panic of the engine is no Exception, but one policy's fault all the same.
        if type(error).__name__ != "PanicException":
            raise
        raise PolicyFailedError(f"the policy engine gave up on {policy.name}") from None
    _raise_failed_lookup(asker)


def _raise_failed_lookup(asker: _Asker) -> None:
    failure = asker.failure
    if isinstance(failure, UnavailableError):
        raise failure
    if failure is not None:
        raise PolicyFailedError("the look-up of a reference value failed") from failure


def _malformed(policy: PolicyText, error: RuntimeError) -> MalformedPolicyError:
    """The engine's complaint without its stack, with the place in numbers."""
    text = str(error).split("\n\nStack backtrace")[0]
    message, place = _MESSAGE.search(text), _PLACE.search(text)
    return MalformedPolicyError(
        f"{policy.name}: {message['message'] if message else text.strip()}",
        line=int(place["line"]) if place else None,
        column=int(place["column"]) if place else None,
    )
