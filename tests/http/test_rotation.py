"""Keys change under a running server, and nothing that was promised breaks."""

from __future__ import annotations

from flask import Flask
from raw_guest import SECRET, RawGuest

from app.blueprints.services import Services
from app.trust.audit import Actor


def test_rotating_tickets_keeps_what_was_issued(
    affirming: None, app: Flask, services: Services, guest: RawGuest
) -> None:
    """A challenge of the old key is answered under the new one, and so is a nonce of the AS."""
    nonce, as_nonce = guest.nonce(), guest.as_nonce()
    with app.app_context():
        services.rotate_tickets(Actor("tests", "owner"))
    assert guest.attest(nonce).status_code == 200
    assert guest.open(guest.resource().json) == SECRET
    assert guest.passport(as_nonce).status_code == 200
    assert guest.passport().status_code == 200
