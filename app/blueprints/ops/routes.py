"""Health, metrics, and the description of the interface."""

from __future__ import annotations

from importlib import resources

from flask import Blueprint, Response, jsonify
from flask.typing import ResponseReturnValue
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from app.blueprints.deps import services
from app.blueprints.gate import PUBLIC, Rule, access
from app.console.permissions import Permission


def blueprint(*, metrics_folder: str | None, public_metrics: bool) -> Blueprint:
    """The routes.

    Args:
        metrics_folder: where the processes of one server leave their counters for each other.
        public_metrics: whether ``/metrics`` asks for no token.
    """
    bp = Blueprint("ops", __name__)
    metrics_rule: Rule = PUBLIC if public_metrics else Permission.METRICS_READ

    @bp.get("/healthz")
    @access(PUBLIC)
    def alive() -> ResponseReturnValue:
        """The process answers."""
        return "", 200

    @bp.get("/readyz")
    @access(PUBLIC)
    def ready() -> ResponseReturnValue:
        """What requests depend on answers too: 503 otherwise."""
        services().check_health()
        return jsonify({"status": "ready"})

    @bp.get("/metrics")
    @access(metrics_rule)
    def metrics() -> ResponseReturnValue:
        """Counters of all processes of this server."""
        registry: CollectorRegistry = REGISTRY
        if metrics_folder is not None:
            registry = CollectorRegistry()
            MultiProcessCollector(registry, metrics_folder)  # type: ignore[no-untyped-call]
        return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)

    description = (resources.files(__package__) / "openapi.yaml").read_bytes()

    @bp.get("/openapi.yaml")
    @access(PUBLIC)
    def openapi() -> ResponseReturnValue:
        """What every machine's route takes and answers (OpenAPI 3.1)."""
        # The media type is that of RFC 9512.
        return Response(description, content_type="application/yaml")

    return bp
