"""What a client plugin is: a named place of resources that says beforehand who may do what.

A plugin declares its operations as a table, so that access rules can be read and tested; Trustee
asks its plugins at each request, before it has authenticated anyone (wire.md 14.1, 19).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from app.broker.secrets import ResourceID

# Reads the plaintext of a secret; ``None`` when there is none.
SecretReader = Callable[[ResourceID], bytes | None]


class Gate(StrEnum):
    """Who an operation is for."""

    OPERATOR = "operator"
    GUEST = "guest"


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing that a plugin does.

    Attributes:
        method: the HTTP method that asks for it.
        gate: operators come with a bearer token of their own, guests with an attestation token.
        sealed: whether the answer is sealed to the guest's TEE key.
    """

    method: str
    gate: Gate
    sealed: bool


@dataclass(frozen=True, slots=True)
class Call:
    """What a guest asks for.

    Attributes:
        plugin: the first segment of the path.
        segments: the segments after it, percent-decoded.
        query: the query string; of a repeated name the last value.
    """

    plugin: str
    segments: tuple[str, ...]
    query: Mapping[str, str]

    @property
    def path(self) -> tuple[str, ...]:
        """The plugin and the segments; scopes of policies are prefixes of it."""
        return (self.plugin, *self.segments)

    @property
    def subject(self) -> str:
        """What decision records call it: the path with the plugin's name."""
        return "/".join(self.path)


class ClientPlugin(Protocol):
    """A kind of resource.

    Attributes:
        name: the first segment of its paths.
        operations: everything it does.
    """

    name: str
    operations: tuple[Operation, ...]

    def check(self, call: Call) -> None:
        """Refuse a call that cannot name anything, before anyone's token is looked at.

        Raises:
            MalformedResourceError: the path is not of the plugin's form.
        """
        ...

    def answer(self, call: Call, read_secret: SecretReader) -> bytes:
        """Carry out the operation for guests; the policy has allowed it.

        Raises:
            ResourceNotFoundError: there is no such resource.
            UnavailableError: where it lives did not answer.
        """
        ...
