"""Fakes for the ports of accounts, in memory, undone with the transaction they belong to."""

# ruff: noqa: D102  (the contract of each method stands at its port)

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime, timedelta

from fakes import MemoryDatabase

from app.console.api_tokens import APIToken
from app.console.attempts import Count
from app.console.first_run import SetupCode
from app.console.operators import Operator
from app.console.permissions import Role
from app.console.second_factors import SecondFactor
from app.console.sessions import Alive, ConsoleSession
from app.trust.errors import ConflictError


class MemoryOperators:
    """The port ``OperatorStore``."""

    def __init__(self, db: MemoryDatabase, *operators: Operator) -> None:
        self.db = db
        db.operators |= {operator.name: operator for operator in operators}

    def find(self, name: str) -> Operator | None:
        self.db.answer()
        return self.db.operators.get(name)

    def add(self, operator: Operator) -> None:
        self.db.write()
        if operator.name in self.db.operators:
            raise ConflictError("the name is taken")
        self.db.operators[operator.name] = operator

    def lock(self) -> None:
        self.db.write()

    def replace(self, operator: Operator) -> None:
        self.db.write()
        self.db.operators[operator.name] = operator

    def note_sign_in(self, name: str, at: datetime) -> None:
        self.replace(replace(self.db.operators[name], last_sign_in_at=at))

    def all(self) -> list[Operator]:
        return [self.db.operators[name] for name in sorted(self.db.operators)]

    def has_owner(self) -> bool:
        return any(each.role is Role.OWNER for each in self.all())

    def page(self, *, after: str | None, limit: int) -> list[Operator]:
        return [each for each in self.all() if after is None or each.name > after][:limit]


class MemoryConsoleSessions:
    """The port ``ConsoleSessionStore``."""

    def __init__(self, db: MemoryDatabase) -> None:
        self.db = db

    def find(self, digest: str) -> ConsoleSession | None:
        self.db.answer()
        return self.db.console_sessions.get(digest)

    def by_handle(self, handle: str) -> ConsoleSession | None:
        return next((s for s in self.db.console_sessions.values() if s.handle == handle), None)

    def add(self, session: ConsoleSession) -> None:
        self.db.write()
        self.db.console_sessions[session.digest] = session

    def use(self, digest: str, at: datetime) -> None:
        self.db.write()
        self.db.console_sessions[digest] = replace(self.db.console_sessions[digest], used_at=at)

    def remove(self, digest: str) -> bool:
        self.db.write()
        return self.db.console_sessions.pop(digest, None) is not None

    def remove_all(self, operator: str, *, but: str | None = None) -> int:
        self.db.write()
        return self._keep([s for s in self._all() if s.operator != operator or s.digest == but])

    def page(
        self, alive: Alive, *, operator: str | None, after: str | None, limit: int
    ) -> list[ConsoleSession]:
        found = sorted(self._alive(alive), key=lambda s: s.handle)
        return [
            s
            for s in found
            if operator in (None, s.operator) and (after is None or s.handle > after)
        ][:limit]

    def forget_expired(self, alive: Alive) -> int:
        self.db.write()
        return self._keep(self._alive(alive))

    def _alive(self, alive: Alive) -> list[ConsoleSession]:
        return [
            s for s in self._all() if s.expires_at > alive.now and s.used_at >= alive.used_since
        ]

    def _all(self) -> list[ConsoleSession]:
        return list(self.db.console_sessions.values())

    def _keep(self, kept: list[ConsoleSession]) -> int:
        dropped = len(self.db.console_sessions) - len(kept)
        self.db.console_sessions = {s.digest: s for s in kept}
        return dropped


class MemoryAttempts:
    """The port ``AttemptStore``."""

    def __init__(self, db: MemoryDatabase) -> None:
        self.db = db

    def find(self, bucket: str, now: datetime) -> Count | None:
        count = self.db.attempts.get(bucket)
        return count if count is not None and count.ends_at > now else None

    def add(self, bucket: str, now: datetime, window: timedelta) -> Count:
        self.db.write()
        count = self.find(bucket, now) or Count(0, now + window)
        self.db.attempts[bucket] = replace(count, attempts=count.attempts + 1)
        return self.db.attempts[bucket]

    def give_back(self, bucket: str) -> None:
        self.db.write()
        count = self.db.attempts.get(bucket)
        if count is not None and count.attempts > 0:
            self.db.attempts[bucket] = replace(count, attempts=count.attempts - 1)

    def clear(self, bucket: str) -> None:
        self.db.write()
        self.db.attempts.pop(bucket, None)

    def forget_expired(self, now: datetime) -> int:
        self.db.write()
        kept = {bucket: c for bucket, c in self.db.attempts.items() if c.ends_at > now}
        dropped = len(self.db.attempts) - len(kept)
        self.db.attempts = kept
        return dropped


class MemorySecondFactors:
    """The port ``SecondFactorStore``."""

    def __init__(self, db: MemoryDatabase) -> None:
        self.db = db

    def find(self, operator: str) -> SecondFactor | None:
        return self.db.second_factors.get(operator)

    def all(self) -> list[SecondFactor]:
        return [self.db.second_factors[name] for name in sorted(self.db.second_factors)]

    def among(self, operators: Collection[str]) -> frozenset[str]:
        return frozenset(operators) & self.db.second_factors.keys()

    def put(self, factor: SecondFactor, recovery_codes: list[str]) -> None:
        self.db.write()
        if factor.operator in self.db.second_factors:
            raise ConflictError("there is one already")
        self.db.second_factors[factor.operator] = factor
        self.db.recovery_codes |= {(factor.operator, each) for each in recovery_codes}

    def replace_sealed(self, operator: str, sealed_secret: bytes) -> None:
        self.db.write()
        changed = replace(self.db.second_factors[operator], sealed_secret=sealed_secret)
        self.db.second_factors[operator] = changed

    def advance(self, operator: str, step: int) -> bool:
        self.db.write()
        factor = self.db.second_factors[operator]
        if step <= factor.last_step:
            return False
        self.db.second_factors[operator] = replace(factor, last_step=step)
        return True

    def spend_recovery_code(self, operator: str, digest: str) -> bool:
        self.db.write()
        there = (operator, digest) in self.db.recovery_codes
        self.db.recovery_codes.discard((operator, digest))
        return there

    def recovery_codes_left(self, operator: str) -> int:
        return sum(name == operator for name, _ in self.db.recovery_codes)

    def remove(self, operator: str) -> bool:
        self.db.write()
        self.db.recovery_codes = {each for each in self.db.recovery_codes if each[0] != operator}
        return self.db.second_factors.pop(operator, None) is not None


class MemoryAPITokens:
    """The port ``APITokenStore``."""

    def __init__(self, db: MemoryDatabase) -> None:
        self.db = db

    def find(self, token_id: str) -> APIToken | None:
        return self.db.api_tokens.get(token_id)

    def add(self, token: APIToken) -> None:
        self.db.write()
        self.db.api_tokens[token.token_id] = token

    def use(self, token_id: str, at: datetime) -> None:
        self.db.write()
        self.db.api_tokens[token_id] = replace(self.db.api_tokens[token_id], used_at=at)

    def remove(self, token_id: str) -> None:
        self.db.write()
        self.db.api_tokens.pop(token_id, None)

    def page(self, *, account: str | None, after: str | None, limit: int) -> list[APIToken]:
        return [
            token
            for token_id, token in sorted(self.db.api_tokens.items())
            if account in (None, token.account) and (after is None or token_id > after)
        ][:limit]


class MemorySetupCodes:
    """The port ``SetupCodeStore``."""

    def __init__(self, db: MemoryDatabase) -> None:
        self.db = db

    def find(self) -> SetupCode | None:
        return self.db.setup_codes[0] if self.db.setup_codes else None

    def replace(self, code: SetupCode) -> None:
        self.db.write()
        self.db.setup_codes = [code]

    def clear(self) -> None:
        self.db.write()
        self.db.setup_codes = []
