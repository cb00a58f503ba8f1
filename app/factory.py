"""From settings to a Flask application: database, services, gate, headers, errors, blueprints."""

from __future__ import annotations

import os
import secrets
from enum import Enum

import structlog
from flask import Flask, Response, g, request
from flask_wtf import CSRFProtect
from werkzeug.middleware.proxy_fix import ProxyFix

from app import wiring
from app.blueprints import errors, gate, languages, words
from app.blueprints.attestation import routes as attestation_routes
from app.blueprints.broker import routes as broker_routes
from app.blueprints.console import api, pages
from app.blueprints.deps import EXTENSION, services
from app.blueprints.limits import RateLimit
from app.blueprints.login import routes as login_routes
from app.blueprints.login.cookies import name_session_cookie
from app.blueprints.ops import metrics
from app.blueprints.ops import routes as ops_routes
from app.logs import configure as configure_logs
from app.serving import METRICS_VARIABLE
from app.settings import Settings, insecure_settings

_log = structlog.get_logger(__name__)

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)


class Face(Enum):
    """To whom an application answers."""

    EVERYONE = "everyone"
    GUESTS = "guests"
    OPERATORS = "operators"


def build(settings: Settings, face: Face = Face.EVERYONE) -> Flask:
    """An application that serves the roles of the settings, or the part of them for some.

    Raises:
        ConfigError: a setting names something that is not there; it lists every fault found.
        StoreUnavailableError: the database does not answer.
    """
    configure_logs(settings.log)
    app = Flask(__name__)
    app.url_map.merge_slashes = False
    app.config.update(
        MAX_CONTENT_LENGTH=settings.server.max_body_bytes,
        PROVIDE_AUTOMATIC_OPTIONS=False,
        WTF_CSRF_TIME_LIMIT=None,
        # It would ask for the header `Referer`, which our own policy keeps browsers from sending;
        # the gate looks at what browsers say about a request's origin instead.
        WTF_CSRF_SSL_STRICT=False,
    )
    name_session_cookie(app, over_https=settings.console_url.startswith("https:"))
    if settings.server.trusted_proxies:
        hops = settings.server.trusted_proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops)  # type: ignore[method-assign]
    with app.app_context():
        wired = wiring.wire(app, settings)
    app.extensions[EXTENSION] = wired.services
    app.config["SECRET_KEY"] = wired.console_key
    _add_headers(app)
    languages.register(app)
    words.register(app)
    metrics.observe(app)
    errors.register(app)
    _add_blueprints(app, settings, face)
    gate.close(app)
    for name in insecure_settings(settings):
        _log.warning("an insecure setting is on", setting=name)
    return app


def _add_blueprints(app: Flask, settings: Settings, face: Face) -> None:
    csrf = CSRFProtect(app)
    with_guests, with_operators = face is not Face.OPERATORS, face is not Face.GUESTS
    roles = settings.roles
    machine_routes = [
        ops_routes.blueprint(
            metrics_folder=os.environ.get(METRICS_VARIABLE),  # noqa: TID251  (set by app/serving.py)
            public_metrics=settings.server.insecure_public_metrics,
        ),
    ]
    if with_operators:
        machine_routes.append(
            api.blueprint(with_broker="kbs" in roles, with_attestation="as" in roles)
        )
    handshakes = RateLimit("handshake", settings.limits.handshake)
    sign_ins = RateLimit("sign_in", settings.limits.sign_in)
    if with_guests and "as" in roles:
        machine_routes.append(attestation_routes.blueprint(handshakes))
    if with_guests and "kbs" in roles:
        machine_routes.append(broker_routes.blueprint(handshakes, with_attestation="as" in roles))
    for blueprint in machine_routes:
        # Machines show bearer tokens and guests' cookies open nothing that is written: there is
        # no browser's authority that a forged request could borrow.
        csrf.exempt(blueprint)
        app.register_blueprint(blueprint)
    if with_operators and "console" in roles:
        login_routes.register(app)
        app.register_blueprint(login_routes.blueprint(sign_ins))
        app.register_blueprint(pages.blueprint())
        app.register_blueprint(pages.front_door())
        app.context_processor(lambda: {"insecure_settings": services().posture.insecure_settings})


def _add_headers(app: Flask) -> None:
    @app.before_request
    def begin() -> None:
        g.request_id = secrets.token_hex(8)
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(
            request=g.request_id, method=request.method, endpoint=request.endpoint
        )

    @app.after_request
    def finish(response: Response) -> Response:
        headers = response.headers
        headers["Vouchgate-Request"] = g.get("request_id", "")
        headers.setdefault("Cache-Control", "no-store")
        headers["X-Content-Type-Options"] = "nosniff"
        headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
        headers["Referrer-Policy"] = "no-referrer"
        headers["Cross-Origin-Opener-Policy"] = "same-origin"
        if request.is_secure:
            headers["Strict-Transport-Security"] = "max-age=31536000"
        return response
