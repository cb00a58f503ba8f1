"""HTTP to the outside, in one place: always a timeout, a bounded answer, verified TLS.

Redirects are never followed: whoever answers for a pinned name must not be able to send the server
elsewhere. Only the connection is tried again; a request that was sent is not sent twice.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Protocol

import urllib3
from urllib3.exceptions import HTTPError

# How often a connection is tried in all: a restart of the other side passes unnoticed, and a dead
# one costs at most this many times the timeout.
CONNECT_ATTEMPTS = 2
# Key sets, policies and tokens stay far below; evidence of devices in tokens is the largest.
MAX_REPLY_BYTES = 4 * 1024 * 1024

# A whole answer takes at most so many timeouts, however slowly its bytes drip.
ANSWER_TIMEOUTS = 4
_CHUNK_BYTES = 64 * 1024

_USER_AGENT = "vouchgate"


class OutsideError(Exception):
    """The outside did not answer, or answered with more than was agreed."""


@dataclass(frozen=True, slots=True)
class HTTPReply:
    """An answer.

    Attributes:
        headers: by lower-case name.
        body: at most as long as the client was told to read.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


class HTTPClient(Protocol):
    """Fetches."""

    def get(self, url: str) -> HTTPReply:
        """The answer to a GET, whatever its status.

        Raises:
            OutsideError: there was none, or it is too large.
        """
        ...

    def post(self, url: str, body: bytes, media_type: str) -> HTTPReply:
        """The answer to a POST, whatever its status.

        Raises:
            OutsideError: there was none, or it is too large.
        """
        ...

    def post_json(self, url: str, body: bytes) -> HTTPReply:
        """The answer to a POST of a JSON document, whatever its status.

        Raises:
            OutsideError: there was none, or it is too large.
        """
        ...


class PooledHTTPClient:
    """Keeps connections; safe to share between threads."""

    def __init__(
        self,
        *,
        timeout_seconds: float,
        ca_file: Path | None = None,
        ca_text: str = "",
        max_reply_bytes: int = MAX_REPLY_BYTES,
    ) -> None:
        """Pin the authorities and the bounds of every request.

        Args:
            timeout_seconds: of connecting, and of each wait for bytes; the whole answer takes at
                most ``ANSWER_TIMEOUTS`` of it.
            ca_file: PEM file of the only authorities that are believed; ``None`` believes those of
                the system.
            ca_text: the same as PEM text, instead of a file; ``""`` for none.
            max_reply_bytes: longer answers are refused.

        Raises:
            OSError: the file or the text cannot be read, or holds no certificate
                (``ssl.SSLError``).
        """
        self._max_reply_bytes = max_reply_bytes
        self._timeout_seconds = timeout_seconds
        self._pool = urllib3.PoolManager(
            ssl_context=_believing(ca_file, ca_text),
            timeout=urllib3.Timeout(connect=timeout_seconds, read=timeout_seconds),
            retries=urllib3.Retry(
                total=None,
                connect=CONNECT_ATTEMPTS - 1,
                read=0,
                redirect=0,
                status=0,
                other=0,
                raise_on_redirect=False,
                respect_retry_after_header=False,
            ),
            headers={"User-Agent": _USER_AGENT},
        )

    def get(self, url: str) -> HTTPReply:
        """The answer to a GET (see ``HTTPClient.get``)."""
        return self._request("GET", url, None, {"Accept": "application/json, */*"})

    def post(self, url: str, body: bytes, media_type: str) -> HTTPReply:
        """The answer to a POST (see ``HTTPClient.post``)."""
        headers = {"Accept": "application/json, */*", "Content-Type": media_type}
        return self._request("POST", url, body, headers)

    def post_json(self, url: str, body: bytes) -> HTTPReply:
        """The answer to a POST (see ``HTTPClient.post_json``)."""
        return self.post(url, body, "application/json")

    def _request(
        self, method: str, url: str, body: bytes | None, headers: dict[str, str]
    ) -> HTTPReply:
        if not url.startswith(("https://", "http://")):
            raise OutsideError("no answer: not an address of the web")
        deadline = time.monotonic() + ANSWER_TIMEOUTS * self._timeout_seconds
        try:
            response = self._pool.request(
                method,
                url,
                body=body,
                headers={"User-Agent": _USER_AGENT, **headers},
                redirect=False,
                preload_content=False,
            )
            try:
                return self._read(response, deadline)
            finally:
                response.release_conn()
        except (HTTPError, OSError, ValueError) as error:
            raise OutsideError(f"no answer: {type(error).__name__}") from error

    def _read(self, response: urllib3.BaseHTTPResponse, deadline: float) -> HTTPReply:
        body = bytearray()
        while chunk := response.read1(_CHUNK_BYTES):
            body += chunk
            if len(body) > self._max_reply_bytes or time.monotonic() > deadline:
                # What remains unread must not be taken for the answer to the next request.
                response.close()
                raise OutsideError(
                    f"the answer is longer than {self._max_reply_bytes} bytes, or takes too long"
                )
        headers = {name.lower(): value for name, value in response.headers.items()}
        return HTTPReply(response.status, headers, bytes(body))


def _believing(ca_file: Path | None, ca_text: str) -> ssl.SSLContext:
    if ca_file is None and not ca_text:
        return _believing_the_system()
    return _context(ca_file, ca_text or None)


@cache
def _believing_the_system() -> ssl.SSLContext:
    """Reading the system's authorities takes longer than everything else of a start."""
    return _context(None, None)


def _context(ca_file: Path | None, ca_text: str | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=ca_file, cadata=ca_text)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
