"""The Key Broker Service under ``/kbs/v0``."""

from __future__ import annotations

from flask import Blueprint
from flask_limiter import Limiter

from app.blueprints.broker import admins, guests


def blueprint(limiter: Limiter, handshake_limit: str, *, with_attestation: bool) -> Blueprint:
    """All routes of the KBS."""
    bp = Blueprint("broker", __name__, url_prefix="/kbs/v0")
    guests.add_routes(bp, limiter, handshake_limit)
    admins.add_routes(bp, with_attestation=with_attestation)
    return bp
