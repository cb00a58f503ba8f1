"""The Attestation Agent: tokens on demand, attested once, renewed beside ahead of their expiry."""

from __future__ import annotations

import logging
import secrets
import threading
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Protocol, TypeAlias

from guest.aa.tokens import TEEToken, renewal_time
from guest.clock import Clock
from guest.errors import ConfigError, GuestError
from guest.kbs.tee_keys import TEEKeyPair

# Token types as upstream's clients name them.
AS_TOKEN = "coco_as"  # noqa: S105  (the name of a type)
KBS_TOKEN = "kbs"  # noqa: S105  (the name of a type)

# Of the time that a token is handed out, the share after which another is got beside it. Guests
# that started together are spread over a tenth of that time.
_REFRESH_SHARE = 0.75
_SPREAD = 0.1
# After a failure, while the held token is good still; doubled at most by chance.
_PAUSE = timedelta(seconds=10)

Work: TypeAlias = Callable[[], None]
# Has some work done without waiting for it.
Beside: TypeAlias = Callable[[Work], None]

_log = logging.getLogger(__name__)


class TokenSource(Protocol):
    """Attests and brings a token."""

    def fetch(self) -> tuple[str, TEEKeyPair]:
        """A fresh token and the fresh key pair it is bound to.

        Raises:
            GuestError: any leaf.
        """
        ...


def in_a_thread(work: Work) -> None:
    """Do some work beside the caller's."""
    threading.Thread(target=work, name="renewal", daemon=True).start()


class AttestationAgent:
    """Hands out tokens; safe to share between threads, of which one attests and the others wait."""

    def __init__(
        self, sources: Mapping[str, TokenSource], clock: Clock, beside: Beside = in_a_thread
    ) -> None:
        """Take the sources of tokens, by token type.

        Args:
            sources: of tokens.
            clock: by which they expire.
            beside: has a token that is in use renewed before it expires.
        """
        self._slots = {kind: _Slot(source, clock, beside) for kind, source in sources.items()}

    def get_token(self, kind: str) -> TEEToken:
        """A token that is valid for a while yet.

        Args:
            kind: ``coco_as`` for one of the AS, ``kbs`` for one of the KBS.

        Raises:
            ConfigError: settings have no server for this type.
            GuestError: attesting failed.
        """
        return self._slot(kind).get()

    def forget(self, kind: str, token: TEEToken) -> None:
        """Do not hand out this token again; a server refused it.

        One that was fetched since, by another thread, stays.

        Raises:
            ConfigError: settings have no server for this type.
        """
        self._slot(kind).forget(token)

    def _slot(self, kind: str) -> _Slot:
        if kind not in self._slots:
            raise ConfigError([f"token_configs.{kind}: needed for a token of this type"])
        return self._slots[kind]


class _Slot:
    """One token type: its source, its token, and the lock that makes one thread attest."""

    def __init__(self, source: TokenSource, clock: Clock, beside: Beside) -> None:
        self._source = source
        self._clock = clock
        self._beside = beside
        self._attesting = threading.Lock()
        # Of what follows, and never held for long.
        self._lock = threading.Lock()
        self._token: TEEToken | None = None
        self._refresh_at = clock.now()
        self._is_refreshing = False

    def get(self) -> TEEToken:
        held = self._held()
        if held is None:
            with self._attesting:
                # Another thread may have attested meanwhile.
                held = self._held() or self._attest()
        self._refresh_in_time()
        return held

    def forget(self, token: TEEToken) -> None:
        with self._lock:
            if self._token is token:
                self._token = None

    def _held(self) -> TEEToken | None:
        with self._lock:
            if self._token is not None and self._token.renew_at <= self._clock.now():
                self._token = None
            return self._token

    def _refresh_in_time(self) -> None:
        with self._lock:
            begins = self._is_due() and not self._is_refreshing
            self._is_refreshing = self._is_refreshing or begins
        if begins:
            self._beside(self._refresh)

    def _refresh(self) -> None:
        """Get another token while the held one is handed out; a failure costs nobody anything."""
        try:
            with self._attesting:
                with self._lock:
                    # A caller may have attested meanwhile, because the old token ended.
                    is_due = self._is_due()
                if is_due:
                    self._attest()
        except GuestError as error:
            _log.warning("the token was not renewed ahead of its expiry: %s", error.code)
            with self._lock:
                self._refresh_at = self._clock.now() + _PAUSE * (1 + _chance())
        finally:
            with self._lock:
                self._is_refreshing = False

    def _is_due(self) -> bool:
        """Whether a token is held that is to be renewed. The lock is held."""
        return self._token is not None and self._refresh_at <= self._clock.now()

    def _attest(self) -> TEEToken:
        token, key_pair = self._source.fetch()
        now = self._clock.now()
        held = TEEToken(token, key_pair, renewal_time(token, now))
        _log.info("attested; the token is renewed at %s", held.renew_at.isoformat())
        with self._lock:
            self._token = held
            share = _REFRESH_SHARE + _SPREAD * _chance()
            self._refresh_at = now + (held.renew_at - now) * share
        return held


def _chance() -> float:
    """From 0 to 1."""
    return secrets.randbelow(1000) / 1000
