"""HTTP for drivers, also below the libraries of clouds: bounded, and without redirects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from urllib.parse import urlsplit

import urllib3
from urllib3.exceptions import HTTPError, LocationParseError, SSLError

from guest.bounded_http import TooLargeError, TooSlowError, read_body, tls_context
from guest.clock import Clock
from guest.errors import KMSAnswerError, KMSUnavailableError, TLSError
from guest.kms_settings import KMSAccess

# A secret has at most 64 KiB in every service; the rest is base64 and what is around it.
MAX_ANSWER_BYTES = 1024 * 1024


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
    """Asks the servers of one provider. Nothing is asked twice."""

    def __init__(
        self, access: KMSAccess, clock: Clock, instead: Mapping[str, str] | None = None
    ) -> None:
        """Pin roots and times.

        Args:
            access: how the provider is reached.
            clock: to measure answers with.
            instead: by ``https://host[:port]`` that a library asks, the URL that is asked in its
                place; the request still names the host that the library means.
        """
        self._instead = instead or {}
        limit = access.timeout_seconds
        self._within = timedelta(seconds=limit)
        self._clock = clock
        self._pools = urllib3.PoolManager(
            timeout=urllib3.Timeout(connect=limit, read=limit),
            ssl_context=tls_context(access.root_certificates),
            retries=False,
        )

    def send(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> Answer:
        """The answer to a request, whatever its status.

        Raises:
            KMSUnavailableError: there was none in time.
            TLSError: the server's certificate does not lead to the roots.
            KMSAnswerError: it redirects, or is larger than ``MAX_ANSWER_BYTES``.
        """
        url, named = self._place(url)
        host = urlsplit(url).hostname
        try:
            response = self._pools.urlopen(
                method,
                url,
                body=body,
                headers={**headers, **named},
                redirect=False,
                preload_content=False,
            )
            content = read_body(
                response, self._clock.elapsed, within=self._within, most_bytes=MAX_ANSWER_BYTES
            )
        except (TooLargeError, LocationParseError) as error:
            raise KMSAnswerError(f"{host} answers with more than is expected") from error
        except (TooSlowError, HTTPError) as error:
            raise _failure(error, host) from error
        if 300 <= response.status < 400:
            raise KMSAnswerError(f"{host} redirects, which is not followed")
        return Answer(response.status, dict(response.headers.items()), content)

    def _place(self, url: str) -> tuple[str, dict[str, str]]:
        parts = urlsplit(url)
        origin = f"{parts.scheme}://{parts.netloc}"
        there = self._instead.get(origin)
        if there is None:
            return url, {}
        return f"{there}{url.removeprefix(origin)}", {"Host": parts.netloc}

    def close(self) -> None:
        """Drop the connections."""
        self._pools.clear()


def _failure(error: Exception, host: str | None) -> TLSError | KMSUnavailableError:
    reason: BaseException | None = getattr(error, "reason", None)
    if isinstance(error, SSLError) or isinstance(reason, SSLError):
        return TLSError(f"the certificate of {host} does not lead to the roots that are believed")
    return KMSUnavailableError(f"{host} did not answer in time")
