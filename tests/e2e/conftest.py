"""What tests start from that serve from a thread of their own instead of from a process."""

from applications import admin, affirming, app, client, guest, prepared, services
from browsing import browser
from oidc_provider import mock_provider

__all__ = [
    "admin",
    "affirming",
    "app",
    "browser",
    "client",
    "guest",
    "mock_provider",
    "prepared",
    "services",
]
