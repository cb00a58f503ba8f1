"""What every test here starts from."""

from applications import (
    admin,
    affirming,
    app,
    client,
    guest,
    owner,
    prepared,
    row_counts,
    services,
    strict,
)
from console_client import console
from oidc_provider import mock_provider
from programs import call, refuses

__all__ = [
    "admin",
    "affirming",
    "app",
    "call",
    "client",
    "console",
    "guest",
    "mock_provider",
    "owner",
    "prepared",
    "refuses",
    "row_counts",
    "services",
    "strict",
]
