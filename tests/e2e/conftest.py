"""What tests start from that serve from a thread of their own instead of from a process."""

from applications import admin, affirming, app, client, guest, prepared, services
from browsing import browser

__all__ = ["admin", "affirming", "app", "browser", "client", "guest", "prepared", "services"]
