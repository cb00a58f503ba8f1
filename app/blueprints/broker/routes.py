"""The Key Broker Service under ``/kbs/v0``."""

from __future__ import annotations

from flask import Blueprint, request
from werkzeug.exceptions import MethodNotAllowed

from app.blueprints.broker import admins, guests
from app.blueprints.limits import RateLimit


def blueprint(handshakes: RateLimit, *, with_attestation: bool) -> Blueprint:
    """All routes of the KBS."""
    bp = Blueprint("broker", __name__, url_prefix="/kbs/v0")

    @bp.before_request
    def answer_no_head() -> None:
        # Werkzeug lets HEAD through wherever GET is. Here a GET decides and writes down, and
        # Trustee answers 405 (wire.md 1.1).
        if request.method == "HEAD":
            raise MethodNotAllowed(valid_methods=("GET", "POST", "PUT", "DELETE"))

    guests.add_routes(bp, handshakes)
    admins.add_routes(bp, with_attestation=with_attestation)
    return bp
