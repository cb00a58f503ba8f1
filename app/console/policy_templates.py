"""Ready policies to begin with: one for each kind of TEE, and for each purpose of a release."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources

from app.trust.errors import PolicyNotFoundError
from app.trust.policies import PolicyKind

_FOLDER = "ready_policies"


@dataclass(frozen=True, slots=True)
class PolicyTemplate:
    """A ready policy.

    Attributes:
        name: of its file, such as ``snp``; one of each kind.
        purpose: the first sentence of its comment.
        text: Rego.
    """

    kind: PolicyKind
    name: str
    purpose: str
    text: str


def policy_templates() -> list[PolicyTemplate]:
    """Every ready policy, by kind and name."""
    found = []
    for kind in PolicyKind:
        folder = resources.files("app.console") / _FOLDER / kind
        for file in sorted(folder.iterdir(), key=lambda each: each.name):
            text = file.read_text(encoding="utf-8")
            found.append(
                PolicyTemplate(kind, file.name.removesuffix(".rego"), _purpose(text), text)
            )
    return found


def policy_template(kind: PolicyKind, name: str) -> PolicyTemplate:
    """One of them.

    Raises:
        PolicyNotFoundError: there is none of this name.
    """
    for template in policy_templates():
        if (template.kind, template.name) == (kind, name):
            return template
    raise PolicyNotFoundError("there is no ready policy of this name")


def _purpose(text: str) -> str:
    return text.partition("\n")[0].removeprefix("# ")
