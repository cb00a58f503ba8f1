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
)

__all__ = [
    "admin",
    "affirming",
    "app",
    "client",
    "guest",
    "owner",
    "prepared",
    "row_counts",
    "services",
]
