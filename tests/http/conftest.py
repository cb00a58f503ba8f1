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

__all__ = [
    "admin",
    "affirming",
    "app",
    "client",
    "console",
    "guest",
    "owner",
    "prepared",
    "row_counts",
    "services",
    "strict",
]
