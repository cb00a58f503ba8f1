"""Where the keys of a token issuer come from: the port, the built-in service, and a file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Protocol, runtime_checkable

from joserfc.jwk import Key

from app.broker.compact_tokens import UnverifiedToken
from app.broker.verification_keys import (
    UnusableKeyError,
    VerificationKey,
    parse_key_set,
    parse_verification_key,
)
from app.trust.errors import ConfigError, UnknownKeyError
from app.trust.revisions import Revisions
from guest.wire.errors import WireError
from guest.wire.strict_json import parse_json


class KeySource(Protocol):
    """Knows the keys of one issuer."""

    def find(self, token: UnverifiedToken, now: datetime, revisions: Revisions) -> VerificationKey:
        """The key that the token says it was signed with, if it is one of the issuer's.

        Raises:
            UnknownKeyError: the issuer has no such key.
            TokenChainError: the token's certificate chain is missing or leads elsewhere.
            IssuerUnavailableError: the keys could not be fetched.
        """
        ...


@runtime_checkable
class ListedKeys(Protocol):
    """A source that can say which keys it has; certificates vouch for keys that nobody lists."""

    def known(self, now: datetime, revisions: Revisions) -> list[VerificationKey]:
        """The keys that tokens are verified with now; asks an issuer elsewhere if it has to.

        Raises:
            IssuerUnavailableError: the keys could not be fetched.
        """
        ...


class TokenKeyRing(Protocol):
    """The keys that the built-in Attestation Service signs with."""

    def verification_keys(self, revisions: Revisions) -> Mapping[str, Key]:
        """Public keys by ``kid``: current, next, and retired while their tokens may be valid."""
        ...


class KeyIndex:
    """Keys by ``kid`` and by thumbprint."""

    def __init__(self, keys: Iterable[VerificationKey]) -> None:
        """Index the keys; of two with one name the later counts."""
        self._by_name: dict[str, VerificationKey] = {}
        for key in keys:
            self._by_name[key.thumbprint] = key
            if key.key_id is not None:
                self._by_name[key.key_id] = key

    @property
    def keys(self) -> list[VerificationKey]:
        """Each key once, in the order in which they were given."""
        return list({key.thumbprint: key for key in self._by_name.values()}.values())

    def find(self, token: UnverifiedToken) -> VerificationKey | None:
        """The key of the token's ``kid``, or the one that its header repeats.

        Trustee's tokens carry their key in the header and no ``kid``, and its key set has no
        ``kid`` either (wire.md 14.1, 11). Such a key is never believed: it only names, by its
        thumbprint, one that the issuer published.
        """
        name = token.key_id
        if name is None and "jwk" in token.unverified_header:
            try:
                name = parse_verification_key(token.unverified_header["jwk"]).thumbprint
            except UnusableKeyError:
                return None
        return None if name is None else self._by_name.get(name)


class FileKeys:
    """A key set that the operator gave as a file."""

    def __init__(self, keys: Iterable[VerificationKey]) -> None:
        """Take the keys of the set."""
        self._index = KeyIndex(keys)

    @classmethod
    def load(cls, path: Path) -> FileKeys:
        """Read a JWK set.

        Raises:
            ConfigError: the file cannot be read, is no JWK set, or has no usable key.
        """
        try:
            return cls(parse_key_set(parse_json(path.read_bytes())))
        except OSError as error:
            raise ConfigError([f"{path}: {error.strerror}"]) from error
        except (WireError, UnusableKeyError) as error:
            raise ConfigError([f"{path}: {error}"]) from error

    def find(self, token: UnverifiedToken, now: datetime, revisions: Revisions) -> VerificationKey:  # noqa: ARG002  (a file does not change)
        """The token's key (see ``KeySource.find``)."""
        return require_known(self._index.find(token))

    def known(self, now: datetime, revisions: Revisions) -> list[VerificationKey]:  # noqa: ARG002
        """All of them (see ``ListedKeys.known``)."""
        return self._index.keys


class BuiltInKeys:
    """The keys of the Attestation Service in the same database, parsed once a revision."""

    def __init__(self, ring: TokenKeyRing) -> None:
        """Take the service's keys."""
        self._ring = ring
        self._held: tuple[int, KeyIndex] | None = None

    def find(self, token: UnverifiedToken, now: datetime, revisions: Revisions) -> VerificationKey:  # noqa: ARG002  (the ring knows which keys are still good)
        """The token's key (see ``KeySource.find``)."""
        return require_known(self._current(revisions).find(token))

    def known(self, now: datetime, revisions: Revisions) -> list[VerificationKey]:  # noqa: ARG002
        """Current, next and retired ones (see ``ListedKeys.known``)."""
        return self._current(revisions).keys

    def _current(self, revisions: Revisions) -> KeyIndex:
        held = self._held
        if held is None or held[0] < revisions.signing_keys:
            keys = self._ring.verification_keys(revisions).values()
            index = KeyIndex(parse_verification_key(key.as_dict(private=False)) for key in keys)
            held = (revisions.signing_keys, index)
            self._held = held
        return held[1]


def require_known(key: VerificationKey | None) -> VerificationKey:
    """The key.

    Raises:
        UnknownKeyError: there is none.
    """
    if key is None:
        raise UnknownKeyError("the issuer publishes no key that could have signed this token")
    return key
