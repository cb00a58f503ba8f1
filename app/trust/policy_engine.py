"""The policy engine port: Rego in, a value out, and which reference values were asked for.

``app/trust/regorus_engine.py`` is the adapter that serves; ``regopy`` is the independent second
opinion in the tests.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from app.trust.errors import MalformedPolicyError
from app.trust.json_types import JSONValue
from app.trust.policy_conditions import Condition

# Looks a reference value up by its name; ``None`` when there is none (Rego ``null``).
ReferenceValueLookup = Callable[[str], JSONValue]


class Undefined:
    """The value of a rule that exists and is not defined for this input."""

    def __repr__(self) -> str:
        return "UNDEFINED"


UNDEFINED = Undefined()


@dataclass(frozen=True, slots=True)
class PolicyText:
    """A policy as its author wrote it.

    Attributes:
        name: what error messages call it, such as ``default_cpu.rego``.
        text: Rego source, package ``policy``.
        digest: SHA-256 of the UTF-8 text, hex.
    """

    name: str
    text: str
    digest: str

    @classmethod
    def of(cls, name: str, text: str) -> PolicyText:
        """The text with its digest."""
        return cls(name, text, policy_digest(text))


@dataclass(frozen=True, slots=True)
class LiteralMember:
    """One member that the source of a rule gives to the object it yields.

    Attributes:
        name: the member's name; ``UNDEFINED`` when only an evaluation tells.
        value: a value that the member may have; ``UNDEFINED`` when only an evaluation tells.
        line: 1-based, of the value.
        column: 1-based, of the value.
    """

    name: JSONValue | Undefined
    value: JSONValue | Undefined
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class ReferenceNames:
    """Names of reference values that a policy can ask for.

    Attributes:
        is_complete: whether these are all; not when a name is computed.
    """

    names: frozenset[str]
    is_complete: bool


@dataclass(frozen=True, slots=True)
class DataReference:
    """Where a policy asks for a member of ``data``.

    Attributes:
        member: its name.
        line: 1-based.
        column: 1-based.
    """

    member: str
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Coverage:
    """Which lines of a policy an evaluation reached, 1-based."""

    covered: frozenset[int]
    not_covered: frozenset[int]


class PolicyEngine(Protocol):
    """Evaluates policies; compiled forms are cached by the digest of the text."""

    def check(self, policy: PolicyText, *, rules: tuple[str, ...], reference_values: bool) -> None:
        """Refuse a policy that cannot serve.

        Args:
            policy: the policy.
            rules: names in package ``policy`` that must exist, such as ``allow``.
            reference_values: whether ``query_reference_value`` is there for it.

        Raises:
            MalformedPolicyError: it does not parse or compile, has another package, lacks a
                rule, calls a function that does not exist, calls itself, is too large or nests
                too deeply; with line and column where they are known.
        """
        ...

    def rules(self, policy: PolicyText, *, reference_values: bool) -> frozenset[str]:
        """The names of the rules that a policy defines, functions left out.

        Raises:
            MalformedPolicyError: it does not parse or compile.
        """
        ...

    def literal_values(
        self, policy: PolicyText, rule: str, *, reference_values: bool
    ) -> tuple[JSONValue | Undefined, ...]:
        """The values that the definitions of a rule give it, ``UNDEFINED`` for what is computed.

        Raises:
            MalformedPolicyError: it does not parse or compile.
        """
        ...

    def data_references(
        self, policy: PolicyText, *, reference_values: bool
    ) -> tuple[DataReference, ...]:
        """The members of ``data`` that a policy asks for by name, each where it first does.

        Raises:
            MalformedPolicyError: it does not parse or compile.
        """
        ...

    def literal_members(self, policy: PolicyText, rule: str) -> tuple[LiteralMember, ...]:
        """The members of the object that a rule yields, as far as its source tells them.

        Follows names to the rules that define them, so that a policy which can yield a wrong
        value is found before any evidence makes it do so.

        Raises:
            MalformedPolicyError: it does not parse or compile.
        """
        ...

    def conditions(self, policy: PolicyText, rule: str) -> tuple[Condition, ...]:
        """The conditions that a rule stands on, in the order of their evaluation.

        Args:
            policy: the policy.
            rule: the name of a rule in package ``policy``.

        Raises:
            MalformedPolicyError: it does not parse or compile.
        """
        ...

    def reference_names(self, policy: PolicyText) -> ReferenceNames:
        """Which reference values a policy can ask for, as far as its source tells.

        Raises:
            MalformedPolicyError: it does not parse or compile.
        """
        ...

    def evaluate(
        self,
        policy: PolicyText,
        rules: tuple[str, ...],
        policy_input: JSONValue,
        *,
        data: Mapping[str, JSONValue] | None = None,
        lookup: ReferenceValueLookup | None = None,
    ) -> dict[str, JSONValue | Undefined]:
        """The value of each rule for this input; ``UNDEFINED`` for a rule that is missing.

        Raises:
            PolicyFailedError: the evaluation failed, or the look-up of a reference value did.
            UnavailableError: a look-up found the store out of reach.
        """
        ...

    def coverage(
        self,
        policy: PolicyText,
        rule: str,
        policy_input: JSONValue,
        *,
        data: Mapping[str, JSONValue] | None = None,
        lookup: ReferenceValueLookup | None = None,
    ) -> Coverage:
        """Which lines were reached while the rule was evaluated. Slow; for explanations only.

        Raises:
            PolicyFailedError: the evaluation failed.
        """
        ...


def policy_digest(text: str) -> str:
    """SHA-256 of the UTF-8 text, hex.

    Raises:
        MalformedPolicyError: the text has no UTF-8 form.
    """
    try:
        return hashlib.sha256(text.encode()).hexdigest()
    except UnicodeEncodeError as error:
        raise MalformedPolicyError("the policy is not Unicode text") from error
