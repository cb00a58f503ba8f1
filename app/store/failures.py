"""What the engines' own errors mean to the domain.

Whatever the operator or time can cure (a lock, a full disk, a lost connection) is the store being
unavailable. A text or number that a column cannot hold came from outside and is malformed. All
else (a missing table, a broken constraint) is ours and passes through unchanged.
"""

from __future__ import annotations

import sqlite3

from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DataError, InterfaceError, OperationalError

from app.trust.errors import DomainError, MalformedRequestError, StoreUnavailableError

_SOON, _LATER, _AFTER_REPAIR = 1, 5, 30
_LOCKED = ("the database is locked", _SOON)
_FULL = ("the database is full", _AFTER_REPAIR)
_UNREADABLE = ("the database cannot be read or written", _AFTER_REPAIR)
_UNREACHABLE = ("the database is out of reach", _LATER)
_SLOW = ("the database took too long", _LATER)

# SQLite's primary result codes (https://www.sqlite.org/rescode.html).
_SQLITE = {
    sqlite3.SQLITE_BUSY: _LOCKED,
    sqlite3.SQLITE_LOCKED: _LOCKED,
    sqlite3.SQLITE_PROTOCOL: _LOCKED,
    sqlite3.SQLITE_FULL: _FULL,
    sqlite3.SQLITE_NOMEM: _UNREADABLE,
    sqlite3.SQLITE_READONLY: _UNREADABLE,
    sqlite3.SQLITE_IOERR: _UNREADABLE,
    sqlite3.SQLITE_CORRUPT: _UNREADABLE,
    sqlite3.SQLITE_CANTOPEN: _UNREADABLE,
    sqlite3.SQLITE_NOTADB: _UNREADABLE,
}

# PostgreSQL's SQLSTATEs, then their classes (PostgreSQL documentation, appendix A).
_POSTGRESQL = {
    "25006": _UNREADABLE,  # read_only_sql_transaction: a standby, or the disk is nearly full
    "40001": _LOCKED,  # serialization_failure
    "40P01": _LOCKED,  # deadlock_detected
    "53100": _FULL,  # disk_full
    "55P03": _LOCKED,  # lock_not_available
    "57014": _SLOW,  # query_canceled, which statement_timeout does
    "08": _UNREACHABLE,  # connection exceptions
    "28": _UNREACHABLE,  # refused credentials
    "3D": _UNREACHABLE,  # no such database
    "53": _UNREACHABLE,  # insufficient resources, such as too many connections
    "57": _UNREACHABLE,  # operator intervention, such as a shutdown
    "58": _UNREADABLE,  # system errors, such as a failed read
}


def domain_error(context: ExceptionContext) -> DomainError | None:
    """The domain's error for what an engine reported, or ``None`` when it is a fault of ours.

    Registered for SQLAlchemy's ``handle_error`` event, which raises what it returns, chained to
    the engine's error.
    """
    original = context.original_exception
    known = context.sqlalchemy_exception
    if isinstance(original, UnicodeEncodeError | OverflowError) or isinstance(known, DataError):
        return MalformedRequestError("a text or a number is not one that can be stored")
    if isinstance(original, sqlite3.Error):
        found = _SQLITE.get(getattr(original, "sqlite_errorcode", 0) & 0xFF)
    else:
        state = getattr(original, "sqlstate", None)
        if state is None:
            # libpq reports a connection that broke, or never was, without a state.
            lost = isinstance(known, OperationalError | InterfaceError)
            found = _UNREACHABLE if lost or context.is_disconnect else None
        else:
            found = _POSTGRESQL.get(state) or _POSTGRESQL.get(state[:2])
    return None if found is None else StoreUnavailableError(found[0], retry_after=found[1])
