"""The reason codes that the code of a verifier can raise, read from its source.

From the module of a verifier on, whatever is mentioned is followed by name through the formats that
it imports; a ``raise`` counts where it stands in something that is mentioned.
"""

from __future__ import annotations

import ast
from functools import cache

from repository import ROOT

from app.trust import errors
from app.trust.errors import ConfigError, DomainError

_FOLLOWED = ("app.attestation.formats.", "app.attestation.collateral.amd_chains")
# Raised before anything is served, where an operator hears it.
_UNTOLD = frozenset({ConfigError.code})
# Caught by the verifier, which then says something else; its page says what.
_TRANSLATED = {
    # A host key document that does not verify is the server's trouble: collateral-unavailable.
    "se": {
        "certificate-expired",
        "certificate-revoked",
        "chain-invalid",
        "collateral-stale",
        "root-untrusted",
    },
    # A signature of a certificate is chain-invalid, one over report data binding-mismatch.
    "nvidia-dpu": {"signature-invalid"},
}

Place = tuple[str, str]


def raised(tee: str) -> set[str]:
    """The codes of a verifier."""
    verifier = f"app.attestation.verifiers.{tee.replace('-', '_')}"
    waiting: list[Place] = [(verifier, name) for name in _definitions(verifier)]
    seen, codes = set(waiting), set[str]()
    while waiting:
        module, name = waiting.pop()
        node = _definitions(module).get(name)
        if node is None:
            continue
        codes |= _codes(node)
        fresh = {place for place in _mentioned(module, node) if place not in seen}
        seen |= fresh
        waiting += fresh
    return codes - _UNTOLD - _TRANSLATED.get(tee, set())


@cache
def _tree(module: str) -> ast.Module:
    path = ROOT / f"{module.replace('.', '/')}.py"
    return ast.parse(path.read_text("utf-8"))


@cache
def _definitions(module: str) -> dict[str, ast.stmt]:
    """What stands at the top of a module, by name."""
    found: dict[str, ast.stmt] = {}
    for node in _tree(module).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found[node.name] = node
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found |= {each.id: node for each in targets if isinstance(each, ast.Name)}
    return found


@cache
def _imported(module: str) -> dict[str, Place]:
    """What a module takes from the formats, by the name that it has here."""
    return {
        alias.asname or alias.name: (node.module, alias.name)
        for node in ast.walk(_tree(module))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(_FOLLOWED)
        for alias in node.names
        if node.module
    }


def _mentioned(module: str, node: ast.AST) -> set[Place]:
    names = {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}
    own = {(module, name) for name in names if name in _definitions(module)}
    return own | {_imported(module)[name] for name in names if name in _imported(module)}


def _codes(node: ast.AST) -> set[str]:
    found = set()
    for each in ast.walk(node):
        if isinstance(each, ast.Raise) and isinstance(each.exc, ast.Call):
            kind = getattr(errors, getattr(each.exc.func, "id", ""), None)
            if isinstance(kind, type) and issubclass(kind, DomainError):
                found.add(kind.code)
    return found
