"""Keys that seal, and a hub that has resources without a network."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from guest.errors import NotFoundError


@dataclass
class Resources:
    """What a hub would bring, and what it was asked for."""

    held: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def __call__(self, uri: str) -> bytes:
        """A resource, or the server's refusal."""
        self.asked.append(uri)
        if uri not in self.held:
            raise NotFoundError("the server answered 404: no such resource", status=404)
        return self.held[uri]


@pytest.fixture
def resources() -> Resources:
    """An empty hub."""
    return Resources()


@pytest.fixture(scope="session")
def signing_key() -> ec.EllipticCurvePrivateKey:
    """Of whoever seals."""
    return ec.generate_private_key(ec.SECP256R1())
