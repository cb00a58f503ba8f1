"""Browsers in which an operator signed in before, known by a cookie that the server made.

The cookie is a ticket: authenticated and expiring, and nothing is kept here. It signs nobody in; it
only says that guesses made elsewhere are no reason to hold this browser up (`attempts.py`).
"""

from __future__ import annotations

import base64
import binascii
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from app.trust.clock import Clock
from app.trust.tickets import (
    ExpiredTicketError,
    TicketKeys,
    UnknownTicketError,
    issue_ticket,
    open_ticket,
)

LIFETIME = timedelta(days=180)
_PURPOSE = b"console device"
_DEVICE_BYTES = 16


@dataclass(frozen=True, slots=True)
class Devices:
    """Makes and reads the cookie of a known browser."""

    keys: Callable[[], TicketKeys]
    clock: Clock

    def issue(self, name: str) -> str:
        """A cookie for a browser in which the operator of this name has just signed in."""
        payload = secrets.token_bytes(_DEVICE_BYTES) + name.encode()
        ticket = issue_ticket(self.keys(), _PURPOSE, payload, self.clock.now() + LIFETIME)
        return base64.urlsafe_b64encode(ticket).decode().rstrip("=")

    def recognise(self, unverified_cookie: str | None, name: str) -> str | None:
        """Which known browser of this operator it is; ``None`` when it is none."""
        try:
            ticket = _decoded(unverified_cookie or "")
            payload = open_ticket(self.keys(), _PURPOSE, ticket, self.clock.now())
        except (UnknownTicketError, ExpiredTicketError, binascii.Error, ValueError):
            return None
        device, of = payload[:_DEVICE_BYTES], payload[_DEVICE_BYTES:]
        return device.hex() if of == name.encode() else None


def _decoded(text: str) -> bytes:
    padded = text + "=" * (-len(text) % 4)
    return base64.b64decode(padded, altchars=b"-_", validate=True)
