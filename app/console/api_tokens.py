"""API tokens: what a program shows instead of a person, with no more rights than it needs.

A token is ``vouchgate_<16 hex digits>_<64 hex digits>``: a prefix that scanners for leaked secrets
find, the id by which lists and the audit log know it, and 256 random bits, of which only a digest
rests. A token may do what its role may, narrowed to permissions when it was made so, and never more
than the account that made it may do now.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from app.console.operators import OperatorStore
from app.console.permissions import Permission, Role, permissions_of
from app.trust.audit import ActingToken, Actor, AuditEntry, AuditLog
from app.trust.clock import Clock
from app.trust.errors import (
    APITokenNotFoundError,
    MalformedRequestError,
    PermissionDeniedError,
    UnauthenticatedError,
)
from app.trust.transactions import Transactions

PREFIX = "vouchgate_"
MAX_DAYS = 365
LABEL_MAX_CHARACTERS = 64
_ID_BYTES, _SECRET_BYTES = 8, 32
_FORM = re.compile(rf"{PREFIX}(?P<token_id>[0-9a-f]{{16}})_(?P<secret>[0-9a-f]{{64}})")
_USES_APART = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class APIToken:
    """A token as it rests.

    Attributes:
        token_id: 16 hex digits; it opens nothing.
        label: what its maker calls it, 1 to 64 printable characters.
        permissions: what the role's are narrowed to; ``None`` when they are not.
        maker: who made it, as the audit log calls it.
        account: the account whose rights bound it; ``None`` when no account made it.
        digest: SHA-256 of the secret part, hex.
        used_at: to five minutes; ``None`` before the first use.
    """

    token_id: str
    label: str
    role: Role
    permissions: frozenset[Permission] | None
    maker: str
    account: str | None
    digest: str = field(repr=False)
    created_at: datetime
    expires_at: datetime
    used_at: datetime | None


@dataclass(frozen=True, slots=True)
class TokenDraft:
    """What a token is to be.

    Attributes:
        permissions: what the role's are to be narrowed to, at least one; ``None`` for all of them.
        days: until it expires, 1 to 365.
    """

    label: str
    role: Role
    permissions: frozenset[Permission] | None
    days: int


@dataclass(frozen=True, slots=True)
class Maker:
    """Who makes a token.

    Attributes:
        permissions: what it may do itself.
        account: its name when it is an account.
    """

    actor: Actor
    permissions: frozenset[Permission]
    account: str | None


@dataclass(frozen=True, slots=True)
class TokenIdentity:
    """A program known by its token.

    Attributes:
        name: of whoever made the token: it acts for it.
        permissions: what it may do now.
        token: which of the maker's tokens it is.
        account: the name of the account that made it; ``None`` when no account did.
    """

    name: str
    role: Role
    permissions: frozenset[Permission]
    token: ActingToken
    account: str | None


class APITokenStore(Protocol):
    """Where tokens live."""

    def find(self, token_id: str) -> APIToken | None:
        """The token, expired or not."""
        ...

    def add(self, token: APIToken) -> None:
        """Add a token, inside the caller's transaction."""
        ...

    def use(self, token_id: str, at: datetime) -> None:
        """Write down when it was last used, inside the caller's transaction."""
        ...

    def remove(self, token_id: str) -> None:
        """Drop a token, inside the caller's transaction."""
        ...

    def page(self, *, account: str | None, after: str | None, limit: int) -> list[APIToken]:
        """Tokens by id, those of one account or all, with an id above ``after``."""
        ...


@dataclass(frozen=True, slots=True)
class APITokens:
    """Makes, checks and revokes tokens."""

    store: APITokenStore
    operators: OperatorStore
    audit: AuditLog
    transactions: Transactions
    clock: Clock

    def make(self, draft: TokenDraft, by: Maker) -> tuple[APIToken, str]:
        """A token, and the text that is shown once.

        Raises:
            MalformedRequestError: the label or the days are out of range, or a permission is none
                of the role's.
            PermissionDeniedError: the token could do what its maker cannot.
        """
        _check(draft, by)
        now = self.clock.now()
        secret = secrets.token_hex(_SECRET_BYTES)
        token = APIToken(
            token_id=secrets.token_hex(_ID_BYTES),
            label=draft.label,
            role=draft.role,
            permissions=draft.permissions,
            maker=by.actor.name,
            account=by.account,
            digest=_digest(secret),
            created_at=now,
            expires_at=now + timedelta(days=draft.days),
            used_at=None,
        )
        with self.transactions():
            self.store.add(token)
            entry = AuditEntry(
                now, by.actor, "operators:api-token:make", token.token_id, after=draft.role
            )
            self.audit.append(entry)
        return token, f"{PREFIX}{token.token_id}_{secret}"

    def authenticate(self, unverified_token: str) -> TokenIdentity:
        """Who shows a token.

        Raises:
            UnauthenticatedError: there is no such token, it has expired, or the account that made
                it is gone or disabled. Every refusal reads the same.
        """
        refusal = UnauthenticatedError("this bearer token is not accepted")
        form = _FORM.fullmatch(unverified_token)
        token = self.store.find(form["token_id"]) if form else None
        if form is None or token is None:
            raise refusal
        now = self.clock.now()
        genuine = hmac.compare_digest(token.digest, _digest(form["secret"]))
        if not genuine or now >= token.expires_at:
            raise refusal
        permissions = self._permissions(token)
        if permissions is None:
            raise refusal
        if token.used_at is None or now - token.used_at > _USES_APART:
            with self.transactions():
                self.store.use(token.token_id, now)
        acting = ActingToken(token.token_id, token.label)
        return TokenIdentity(token.maker, token.role, permissions, acting, token.account)

    def revoke(self, token_id: str, by: Actor, *, of: str | None = None) -> None:
        """End a token.

        Args:
            token_id: what lists call it.
            by: who ends it.
            of: the account that must have made it; ``None`` when any will do.

        Raises:
            APITokenNotFoundError: there is no such token, or another account made it.
        """
        with self.transactions():
            token = self.store.find(token_id)
            if token is None or of not in (None, token.account):
                raise APITokenNotFoundError("there is no such API token")
            self.store.remove(token_id)
            now = self.clock.now()
            entry = AuditEntry(now, by, "operators:api-token:revoke", token_id, before=token.role)
            self.audit.append(entry)

    def page(
        self, *, account: str | None = None, after: str | None = None, limit: int = 100
    ) -> list[APIToken]:
        """Tokens by id, expired ones among them."""
        return self.store.page(account=account, after=after, limit=limit)

    def _permissions(self, token: APIToken) -> frozenset[Permission] | None:
        """What a token may do now; ``None`` when whoever made it may do nothing any more."""
        own = permissions_of(token.role)
        narrowed = own if token.permissions is None else own & token.permissions
        if token.account is None:
            return narrowed
        operator = self.operators.find(token.account)
        if operator is None or operator.disabled_at is not None:
            return None
        return narrowed & permissions_of(operator.role)


def is_api_token(unverified_token: str) -> bool:
    """Whether a bearer token claims to be one of ours."""
    return unverified_token.startswith(PREFIX)


def _check(draft: TokenDraft, by: Maker) -> None:
    if not draft.label.isprintable() or not 1 <= len(draft.label) <= LABEL_MAX_CHARACTERS:
        raise MalformedRequestError("a token's label has 1 to 64 printable characters")
    if not 1 <= draft.days <= MAX_DAYS:
        raise MalformedRequestError(f"a token expires after 1 to {MAX_DAYS} days")
    own = permissions_of(draft.role)
    wanted = own if draft.permissions is None else draft.permissions
    if not wanted:
        raise MalformedRequestError("a token that is narrowed has at least one permission")
    if not wanted <= own:
        strange = ", ".join(sorted(wanted - own))
        raise MalformedRequestError(f"the role {draft.role} does not have: {strange}")
    excess = wanted - by.permissions
    if excess:
        raise PermissionDeniedError(
            f"a token may do no more than who makes it; you lack: {', '.join(sorted(excess))}"
        )


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
