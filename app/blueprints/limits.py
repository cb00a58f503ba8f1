"""How often one address may ask: a brake on floods, counted in each process.

The counters are those of ``limits``, the library under Flask-Limiter. The extension asks at every
request of every route whether a limit applies, which costs as much as all else that Flask does for
a small request; here only the routes that are limited pay.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

import limits
from flask import request
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter

from app.trust.errors import ConfigError, TooManyRequestsError

P = ParamSpec("P")
R = TypeVar("R")

_NOTATION = re.compile(r"[1-9][0-9]{0,8}/(second|minute|hour|day)")


class RateLimit:
    """A limit by address, for the views that it decorates together."""

    def __init__(self, setting: str, notation: str) -> None:
        """Take ``<count>/<second|minute|hour|day>``.

        Raises:
            ConfigError: the notation is not of this form; it names the setting.
        """
        # The library understands more, and some of it is surely a slip: several limits, no time.
        if _NOTATION.fullmatch(notation) is None:
            raise ConfigError(
                [f"limits.{setting}: {notation!r} is not <count>/<second|minute|hour|day>"]
            )
        self._limit = limits.parse(notation)
        self._counters = FixedWindowRateLimiter(MemoryStorage())

    def __call__(self, view: Callable[P, R]) -> Callable[P, R]:
        """The view, refused to an address that has asked too often.

        Its calls raise TooManyRequestsError, with the seconds until the next window.
        """

        @wraps(view)
        def limited(*args: P.args, **kwargs: P.kwargs) -> R:
            if request.method != "GET":
                self._count(request.remote_addr or "unknown")
            return view(*args, **kwargs)

        return limited

    def _count(self, address: str) -> None:
        if self._counters.hit(self._limit, address):
            return
        reset_at = self._counters.get_window_stats(self._limit, address).reset_time
        # The library counts in the machine's time, so the remainder is of that clock too.
        seconds = max(1, math.ceil(reset_at - time.time()))  # noqa: TID251
        raise TooManyRequestsError("this address asks too often", retry_after=seconds)
