"""HTTP to one server: one pooled connection, pinned roots, bounded answers, bounded waits.

Redirects are refused: whoever answers for the pinned name must not send the guest elsewhere. Only
"not now" (429, 503) is tried again here, as long as the server's ``Retry-After`` fits into the wait
that settings allow.
"""

from __future__ import annotations

import json
import logging
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import urllib3
from urllib3.exceptions import HTTPError, SSLError
from urllib3.exceptions import ProtocolError as BrokenConnectionError

from guest.bounded_http import TooLargeError, TooSlowError, read_body, tls_context
from guest.clock import Clock
from guest.errors import ProtocolError, TLSError, UnreachableError
from guest.settings import ServiceSettings
from guest.wire.json_types import JSONObject

MAX_REPLY_BYTES = 16 * 1024 * 1024
MAX_ATTEMPTS = 6
DEFAULT_WAIT = timedelta(seconds=1)

# What upstream's guests send; servers tell guests from browsers by it.
USER_AGENT = "attestation-agent-kbs-client/0.1.0 vouchgate-guest"

_BUSY = frozenset({429, 503})

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer.

    Attributes:
        status: of HTTP; never a redirect.
        headers: by lower-case name; of a repeated one, the values joined by commas.
        body: at most ``MAX_REPLY_BYTES``.
        cookies: the fields ``Set-Cookie``, as they came.
    """

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    cookies: tuple[str, ...] = field(default=(), repr=False)


class Transport:
    """Speaks to one server; safe to share between threads, which then take turns."""

    def __init__(
        self, service: ServiceSettings, clock: Clock, *, timeout: float, wait: float
    ) -> None:
        """Pin the server.

        Args:
            service: where it is and which roots vouch for it.
            clock: to wait on.
            timeout: seconds that one exchange may take.
            wait: seconds that a busy server is waited for, in all.
        """
        parts = urlsplit(service.url)
        self._prefix = parts.path.rstrip("/")
        self._clock = clock
        self._timeout = timedelta(seconds=timeout)
        self._wait = timedelta(seconds=wait)
        self._pool = _pool(service, timeout)

    def get(self, path: str, headers: Mapping[str, str]) -> Reply:
        """The answer to a GET, whatever its status.

        Raises:
            ConnectionFailedError: there was none.
            ProtocolError: it redirects, or is larger than ``MAX_REPLY_BYTES``.
        """
        return self._patiently("GET", path, headers, None)

    def post(self, path: str, body: JSONObject, headers: Mapping[str, str]) -> Reply:
        """The answer to a POST of JSON, whatever its status.

        Raises:
            ConnectionFailedError: there was none.
            ProtocolError: it redirects, or is larger than ``MAX_REPLY_BYTES``.
        """
        encoded = json.dumps(body, separators=(",", ":")).encode("utf-8")
        typed = {**headers, "Content-Type": "application/json"}
        return self._patiently("POST", path, typed, encoded)

    def close(self) -> None:
        """Drop the connection."""
        self._pool.close()

    def _patiently(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes | None
    ) -> Reply:
        patience = self._wait
        reply = self._exchange(method, path, headers, body)
        for attempt in range(1, MAX_ATTEMPTS):
            if reply.status not in _BUSY:
                break
            # Without a word of the server, guests that were turned away together come back apart.
            longest = DEFAULT_WAIT * 2 ** (attempt - 1)
            pause = _retry_after(reply, self._clock.now(), longest * (1 + _chance()) / 2)
            if pause > patience:
                break
            _log.info("the server is busy (%d), waiting %s", reply.status, pause)
            patience -= pause
            self._clock.wait(pause)
            reply = self._exchange(method, path, headers, body)
        return reply

    def _exchange(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes | None
    ) -> Reply:
        try:
            return self._send(method, path, headers, body)
        except BrokenConnectionError as error:
            # A kept connection may end just when it is used again. What only reads may be asked
            # twice; what acts may not.
            if method != "GET":
                raise UnreachableError("the server broke off the connection") from error
        except HTTPError as error:
            raise _connection_error(error) from error
        try:
            return self._send(method, path, headers, body)
        except HTTPError as error:
            raise _connection_error(error) from error

    def _send(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes | None
    ) -> Reply:
        response = self._pool.urlopen(
            method,
            f"{self._prefix}{path}",
            body=body,
            headers={"User-Agent": USER_AGENT, **headers},
            redirect=False,
            retries=False,
            preload_content=False,
        )
        reply = self._read(response)
        if 300 <= reply.status < 400:
            raise ProtocolError("the server redirects, which is not followed")
        return reply

    def _read(self, response: urllib3.BaseHTTPResponse) -> Reply:
        try:
            body = read_body(
                response, self._clock.elapsed, within=self._timeout, most_bytes=MAX_REPLY_BYTES
            )
        except TooLargeError as error:
            reason = "the server's answer is larger than any that is expected"
            raise ProtocolError(reason) from error
        except TooSlowError as error:
            raise UnreachableError("the server did not finish its answer in time") from error
        headers = {name.lower(): value for name, value in response.headers.items()}
        cookies = tuple(response.headers.getlist("Set-Cookie"))
        return Reply(response.status, headers, body, cookies)


def _pool(service: ServiceSettings, timeout: float) -> urllib3.HTTPConnectionPool:
    parts = urlsplit(service.url)
    limits = urllib3.Timeout(connect=timeout, read=timeout)
    host = parts.hostname or ""
    if parts.scheme == "http":
        return urllib3.HTTPConnectionPool(host, parts.port, timeout=limits, maxsize=1, block=True)
    context = tls_context(service.root_certificates)
    return urllib3.HTTPSConnectionPool(
        host, parts.port, timeout=limits, maxsize=1, block=True, ssl_context=context
    )


def _connection_error(error: HTTPError) -> TLSError | UnreachableError:
    reason: BaseException | None = getattr(error, "reason", None)
    if isinstance(error, SSLError) or isinstance(reason, SSLError):
        return TLSError("the server's certificate does not lead to the configured roots")
    return UnreachableError("the server did not answer")


def _chance() -> float:
    """From 0 to 1."""
    return secrets.randbelow(1001) / 1000


def _retry_after(reply: Reply, now: datetime, default: timedelta) -> timedelta:
    """How long the server asks to wait: seconds or a date (RFC 9110, section 10.2.3)."""
    text = reply.headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return timedelta(seconds=int(text[:9]))
    try:
        return max(parsedate_to_datetime(text) - now, timedelta())
    except (ValueError, TypeError):
        return default
