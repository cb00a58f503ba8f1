"""Our exchange below libraries that are written for ``requests``, which they bring along."""

from __future__ import annotations

import io
from collections.abc import Mapping

import requests
import urllib3
from requests.adapters import BaseAdapter
from requests.structures import CaseInsensitiveDict

from guest.kms.exchange import Exchange


class ExchangeAdapter(BaseAdapter):
    """Carries what a session has prepared; roots, times and sizes are the exchange's."""

    def __init__(self, exchange: Exchange) -> None:
        """Carry requests by this exchange."""
        super().__init__()
        self._exchange = exchange

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,  # noqa: ARG002, FBT001, FBT002  (as above)
        timeout: float | tuple[float | None, float | None] | None = None,  # noqa: ARG002  (as above)
        verify: bool | str = True,  # noqa: ARG002, FBT001, FBT002  (as above)
        cert: bytes | str | tuple[bytes | str, bytes | str] | None = None,  # noqa: ARG002  (as above)
        proxies: Mapping[str, str] | None = None,  # noqa: ARG002  (as above)
    ) -> requests.Response:
        """One answer.

        Raises:
            KMSUnavailableError, TLSError, KMSAnswerError: as ``Exchange.send``.
        """
        body = request.body.encode("utf-8") if isinstance(request.body, str) else request.body
        # Bodies that are read piece by piece are of no library that comes through here.
        assert body is None or isinstance(body, bytes)
        headers = {
            name: value if isinstance(value, str) else value.decode("ascii")
            for name, value in request.headers.items()
        }
        url = request.url or ""
        answer = self._exchange.send(request.method or "GET", url, headers, body)
        response = requests.Response()
        response.status_code = answer.status
        response.headers = CaseInsensitiveDict(answer.headers)
        response.raw = urllib3.HTTPResponse(io.BytesIO(answer.body), preload_content=False)
        response.url, response.request = url, request
        return response

    def close(self) -> None:
        """Nothing: no connection outlives its answer."""


def session(exchange: Exchange) -> requests.Session:
    """A session that asks by this exchange and believes nothing of the environment."""
    made = requests.Session()
    carry(made, exchange)
    return made


def carry(asking: requests.Session, exchange: Exchange) -> None:
    """Have a session ask by this exchange and believe nothing of the environment."""
    asking.trust_env = False
    # Answers are read as they come, so that a small one cannot unpack to a large one.
    asking.headers["Accept-Encoding"] = "identity"
    for scheme in ("https://", "http://"):
        asking.mount(scheme, ExchangeAdapter(exchange))
