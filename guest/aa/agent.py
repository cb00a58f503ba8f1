"""The Attestation Agent: tokens on demand, attested once and kept until shortly before expiry."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from typing import Protocol

from guest.aa.tokens import TEEToken, renewal_time
from guest.clock import Clock
from guest.errors import ConfigError
from guest.kbs.tee_keys import TEEKeyPair

# Token types as upstream's clients name them.
AS_TOKEN = "coco_as"  # noqa: S105  (the name of a type)
KBS_TOKEN = "kbs"  # noqa: S105  (the name of a type)

_log = logging.getLogger(__name__)


class TokenSource(Protocol):
    """Attests and brings a token."""

    def fetch(self) -> tuple[str, TEEKeyPair]:
        """A fresh token and the fresh key pair it is bound to.

        Raises:
            GuestError: any leaf.
        """
        ...


class AttestationAgent:
    """Hands out tokens; safe to share between threads, of which one attests and the others wait."""

    def __init__(self, sources: Mapping[str, TokenSource], clock: Clock) -> None:
        """Take the sources of tokens, by token type."""
        self._slots = {kind: _Slot(source, clock) for kind, source in sources.items()}

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

    def __init__(self, source: TokenSource, clock: Clock) -> None:
        self._source = source
        self._clock = clock
        self._lock = threading.Lock()
        self._token: TEEToken | None = None

    def get(self) -> TEEToken:
        with self._lock:
            if self._token is None or self._token.renew_at <= self._clock.now():
                self._token = None
                self._token = self._attest()
            return self._token

    def forget(self, token: TEEToken) -> None:
        with self._lock:
            if self._token is token:
                self._token = None

    def _attest(self) -> TEEToken:
        token, key_pair = self._source.fetch()
        renew_at = renewal_time(token, self._clock.now())
        _log.info("attested; the token is renewed at %s", renew_at.isoformat())
        return TEEToken(token, key_pair, renew_at)
