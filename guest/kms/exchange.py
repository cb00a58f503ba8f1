"""HTTP for drivers, also below the libraries of clouds: bounded, and without redirects."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException, HTTPResponse
from urllib.parse import SplitResult, urlsplit

from guest.bounded_http import tls_context
from guest.errors import KMSAnswerError, KMSUnavailableError
from guest.kms.connections import connected, connection_error
from guest.kms_settings import KMSAccess

# A secret has at most 64 KiB in every service; the rest is base64 and what is around it.
MAX_ANSWER_BYTES = 1024 * 1024

_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Answer:
    """What a service answered.

    Attributes:
        status: of HTTP; never a redirect.
        headers: as they came.
        body: at most ``MAX_ANSWER_BYTES``.
    """

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


class Exchange:
    """Asks the servers of one provider, over a connection for each request; nothing twice."""

    def __init__(self, access: KMSAccess, instead: Mapping[str, str] | None = None) -> None:
        """Pin roots and times.

        Args:
            access: how the provider is reached.
            instead: by ``https://host[:port]`` that a library asks, the URL that is asked in its
                place; the request still names the host that the library means.

        Raises:
            ssl.SSLError: the roots are none.
        """
        self._seconds = access.timeout_seconds
        self._instead = instead or {}
        self._context = tls_context(access.root_certificates)

    def send(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> Answer:
        """The answer to a request, whatever its status.

        Raises:
            KMSUnavailableError: there was none in time.
            TLSError: the server's certificate does not lead to the roots.
            KMSAnswerError: it redirects, is no HTTP, or is larger than ``MAX_ANSWER_BYTES``.
        """
        url, named = self._place(url)
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
        try:
            with connected((host, port), self._seconds) as plain:
                if parts.scheme == "http":
                    return _ask(plain, method, parts, {**headers, **named}, body)
                with self._context.wrap_socket(plain, server_hostname=host) as sealed:
                    return _ask(sealed, method, parts, {**headers, **named}, body)
        except OSError as error:
            raise connection_error(error, host) from error
        except HTTPException as error:
            raise _broken(error, host) from error

    def _place(self, url: str) -> tuple[str, dict[str, str]]:
        parts = urlsplit(url)
        origin = f"{parts.scheme}://{parts.netloc}"
        there = self._instead.get(origin)
        if there is None:
            return url, {}
        return f"{there}{url.removeprefix(origin)}", {"Host": parts.netloc}


def _ask(
    connection: socket.socket,
    method: str,
    parts: SplitResult,
    headers: Mapping[str, str],
    body: bytes | None,
) -> Answer:
    asking = HTTPConnection(parts.hostname or "", parts.port)
    # It asks by the connection that is there, and makes none of its own.
    asking.sock = connection
    target = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
    asking.request(method, target, body, dict(headers))
    with asking.getresponse() as response:
        return _read(response, parts.hostname)


def _read(response: HTTPResponse, host: str | None) -> Answer:
    if 300 <= response.status < 400:
        raise KMSAnswerError(f"{host} redirects, which is not followed")
    # Without a length, nobody can tell a whole answer from one that was cut off.
    if response.length is None and not response.chunked:
        raise KMSAnswerError(f"{host} does not say how long its answer is")
    body = response.read(MAX_ANSWER_BYTES + 1)
    if len(body) > MAX_ANSWER_BYTES:
        raise KMSAnswerError(f"{host} answers with more than is expected")
    # Asked for a size, the library takes an end before its time for the end.
    if response.length:
        raise KMSUnavailableError(f"{host} broke off its answer")
    return Answer(response.status, dict(response.getheaders()), body)


def _broken(error: HTTPException, host: str) -> KMSAnswerError | KMSUnavailableError:
    if isinstance(error, ConnectionError):
        return KMSUnavailableError(f"{host} broke off the connection")
    return KMSAnswerError(f"{host} answered what is no HTTP")
