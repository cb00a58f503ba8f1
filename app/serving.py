"""gunicorn, started from our own settings: one command serves, and Ctrl-C ends it cleanly."""

from __future__ import annotations

import gc
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import structlog
from flask.typing import ResponseReturnValue
from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter
from gunicorn.errors import HaltServer
from gunicorn.http.errors import ParseException
from gunicorn.workers.base import Worker

from app.bounded_sockets import bound_listeners, tls_context
from app.faces import Faces
from app.settings import Settings
from app.trust.errors import MalformedRequestError, UnavailableError

if TYPE_CHECKING:
    from flask import Flask

    from app.blueprints.services import Services

METRICS_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"

# Tokens that repeat the evidence of devices are the largest header fields that guests send.
_HEADER_FIELD_BYTES = 128 * 1024
_HEADER_FIELDS = 96
_KEEP_ALIVE_SECONDS = 75
_WORKER_TIMEOUT_SECONDS = 120
_HOUSEKEEPING_SECONDS = 600
# How long a server that is told to end waits for requests under way.
_GRACE_SECONDS = 15

_ENDS = (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT)

_log = structlog.get_logger(__name__)


class EndingArbiter(Arbiter):  # type: ignore[misc]  # gunicorn ships no types
    """An arbiter for which workers that end while they start are no failure, once it is to end."""

    told_to_end = False

    def signal(self, sig: int, frame: FrameType | None) -> None:
        """Remember that this was wanted."""
        if sig in _ENDS:
            self.told_to_end = True
        super().signal(sig, frame)

    def reap_workers(self) -> None:
        """Bury workers; those that died of the signal that ends the server are expected."""
        try:
            super().reap_workers()
        except HaltServer:
            if not self.told_to_end:
                raise

    def halt(self, reason: str | None = None, exit_status: int = 0) -> None:
        """End, with a failure's status only where there was one."""
        super().halt(reason, 0 if self.told_to_end else exit_status)


class Server(BaseApplication):  # type: ignore[misc]  # gunicorn ships no types
    """A gunicorn arbiter whose workers each build the application after the fork."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        super().__init__()

    def load_config(self) -> None:
        """Translate our settings into gunicorn's."""
        server = self._settings.server
        options = {
            "bind": [*server.bind, *server.console_bind],
            "workers": server.workers,
            "threads": server.threads,
            "worker_class": "gthread",
            "keepalive": _KEEP_ALIVE_SECONDS,
            "timeout": _WORKER_TIMEOUT_SECONDS,
            "graceful_timeout": _GRACE_SECONDS,
            "limit_request_field_size": _HEADER_FIELD_BYTES,
            "limit_request_fields": _HEADER_FIELDS,
            # gunicorn would believe headers of whoever is on this machine, such as a proxy that
            # passes on what its clients say; which proxies count is `trusted_proxies`.
            "forwarded_allow_ips": "",
            "loglevel": "warning",
            "control_socket_disable": True,
            "certfile": str(server.tls_certificate) if server.tls_certificate else None,
            "keyfile": str(server.tls_private_key) if server.tls_private_key else None,
            "proc_name": "vouchgate",
            "post_fork": _leave_quietly,
            "post_worker_init": _begin_work,
            "ssl_context": tls_context,
        }
        for name, value in options.items():
            if value is not None:
                self.cfg.set(name, value)

    def run(self) -> None:
        """Serve until a signal ends it."""
        EndingArbiter(self).run()

    def load(self) -> Flask | Faces:
        """The application of one worker, or both where operators have addresses of their own."""
        from app.factory import Face, build

        if not self._settings.server.console_bind:
            return _at_work(build(self._settings), keeps_house=True)
        return Faces(
            _at_work(build(self._settings, Face.GUESTS), keeps_house=True),
            _at_work(build(self._settings, Face.OPERATORS), keeps_house=False),
            len(self._settings.server.console_bind),
        )


def _at_work(app: Flask, *, keeps_house: bool) -> Flask:
    app.register_error_handler(ParseException, _malformed_body)
    if keeps_house:
        threading.Thread(target=_keep_house, args=(app,), daemon=True).start()
    return app


def _begin_work(worker: Worker) -> None:
    """Bound the listening sockets, and tell which of them are the console's: the last ones."""
    # What is there now stays for good. Looking through it for garbage again and again would hold
    # up a request for a tenth of a second, every few hundred.
    gc.collect()
    gc.freeze()
    bound_listeners(worker)
    if isinstance(worker.wsgi, Faces):
        worker.wsgi.listen([listener.sock.getsockname() for listener in worker.sockets])


def _malformed_body(_: ParseException) -> ResponseReturnValue:
    """Chunks that do not parse: found by gunicorn, when the application reads the body."""
    from app.blueprints.errors import answer

    return answer(MalformedRequestError("the body's chunks do not parse"))


def _leave_quietly(_: Arbiter, __: Worker) -> None:
    """Have a worker that is told to end while it still starts do so: gunicorn would see a crash.

    The worker's own handlers replace these once it serves.
    """
    for each in _ENDS:
        signal.signal(each, lambda *_: sys.exit(0))


def _keep_house(app: Flask) -> None:
    """Forget what has expired and renew what will, for as long as the worker lives.

    The first round begins at once, because the first overview after a long pause would count what
    nobody counted yet; vendors are not asked by servers that live for a moment only.
    """
    from app.blueprints.deps import EXTENSION

    services: Services = app.extensions[EXTENSION]
    while True:
        _do(app, services.housekeeping)
        time.sleep(_HOUSEKEEPING_SECONDS)
        _do(app, services.refresh_collateral)


def _do(app: Flask, chore: Callable[[], object]) -> None:
    with app.app_context():
        try:
            chore()
        except UnavailableError as error:
            _log.warning("housekeeping has to wait", code=error.code)


def serve(settings: Settings) -> None:
    """Serve until SIGINT or SIGTERM."""
    # Loaded once, before the fork: workers share what it is.
    import_module("app.factory")
    folder = Path(tempfile.mkdtemp(prefix="vouchgate-metrics-"))
    # prometheus-client looks for this variable when it is first imported, in the workers.
    os.environ[METRICS_VARIABLE] = str(folder)  # noqa: TID251
    try:
        Server(settings).run()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
