"""The Key Broker Service under ``/kbs/v0``."""

from __future__ import annotations

from flask import Blueprint

from app.blueprints.broker import admins, guests
from app.blueprints.limits import RateLimit


def blueprint(handshakes: RateLimit, *, with_attestation: bool) -> Blueprint:
    """All routes of the KBS."""
    bp = Blueprint("broker", __name__, url_prefix="/kbs/v0")
    guests.add_routes(bp, handshakes)
    admins.add_routes(bp, with_attestation=with_attestation)
    return bp
