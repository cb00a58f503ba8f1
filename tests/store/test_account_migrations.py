"""Migrations of accounts keep what was there, up and down, and take their own tables with them."""

from __future__ import annotations

from sqlalchemy import inspect, text

from app.store import migrate
from app.store.database import Database


def revisions(name: str) -> tuple[str, str]:
    """The revision before the migration of this name, and its own."""
    (path,) = (migrate.FOLDER / "versions").glob(f"*_{name}.py")
    own = path.name.partition("_")[0]
    return f"{int(own) - 1:04}", own


def execute(database: Database, *statements: str) -> None:
    """Write with SQL, as another version of the program would."""
    with database.transaction():
        for statement in statements:
            database.writing().execute(text(statement))


def rows(database: Database, query: str) -> list[tuple[object, ...]]:
    """What a query gives."""
    with database.read() as connection:
        return [tuple(row) for row in connection.execute(text(query))]


def test_accounts_outlive_console_sessions(empty: Database) -> None:
    """What it adds begins empty."""
    before, own = revisions("console_sessions")
    migrate.upgrade(empty, before)
    execute(
        empty,
        "INSERT INTO operators (name, role, password_hash, one_time, epoch, created_at)"
        " VALUES ('ann', 'owner', '-', false, 3, 7)",
    )
    migrate.upgrade(empty, own)
    added = "SELECT name, epoch, disabled_at, last_sign_in_at FROM operators"
    assert rows(empty, added) == [("ann", 3, None, None)]
    assert rows(empty, "SELECT * FROM console_sessions") == []
    migrate.downgrade(empty, before)
    assert rows(empty, "SELECT name, epoch FROM operators") == [("ann", 3)]


def test_sessions_outlive_second_factors(empty: Database) -> None:
    """Counts and codes go, sessions stay."""
    before, own = revisions("sign_ins")
    migrate.upgrade(empty, before)
    execute(
        empty,
        "INSERT INTO console_sessions (session_digest, handle, operator, proof, begun_at,"
        " used_at, proved_at, expires_at, source, agent)"
        " VALUES ('d', 'h', 'ann', 'password', 1, 2, 3, 4, 's', 'a')",
    )
    migrate.upgrade(empty, own)
    execute(
        empty,
        "INSERT INTO sign_in_attempts (bucket, attempts, ends_at) VALUES ('b', 1, 7)",
        "INSERT INTO recovery_codes (operator, code_digest) VALUES ('ann', 'd')",
    )
    migrate.downgrade(empty, before)
    assert rows(empty, "SELECT handle, used_at FROM console_sessions") == [("h", 2)]
    assert "sign_in_attempts" not in inspect(empty.engine).get_table_names()


def test_second_factors_outlive_api_tokens(empty: Database) -> None:
    """Tokens go, the accounts that made them stay as safe as they were."""
    before, own = revisions("api_tokens")
    migrate.upgrade(empty, before)
    execute(empty, "INSERT INTO recovery_codes (operator, code_digest) VALUES ('ann', 'd')")
    migrate.upgrade(empty, own)
    execute(
        empty,
        "INSERT INTO api_tokens (token_id, label, role, permissions, maker, digest, created_at,"
        " expires_at) VALUES ('t', 'l', 'viewer', 'null', 'ann', 'd', 1, 2)",
    )
    migrate.downgrade(empty, before)
    assert rows(empty, "SELECT operator FROM recovery_codes") == [("ann",)]
    assert "api_tokens" not in inspect(empty.engine).get_table_names()


def test_tokens_outlive_setup_codes(empty: Database) -> None:
    """A code that is out goes; a new link is a command away."""
    before, own = revisions("setup_codes")
    migrate.upgrade(empty, before)
    execute(
        empty,
        "INSERT INTO api_tokens (token_id, label, role, permissions, maker, digest, created_at,"
        " expires_at) VALUES ('t', 'l', 'viewer', 'null', 'ann', 'd', 1, 2)",
    )
    migrate.upgrade(empty, own)
    execute(empty, "INSERT INTO setup_codes (digest, expires_at) VALUES ('d', 7)")
    migrate.downgrade(empty, before)
    assert rows(empty, "SELECT token_id FROM api_tokens") == [("t",)]
    assert "setup_codes" not in inspect(empty.engine).get_table_names()


def test_audit_records_outlive_their_tokens(empty: Database) -> None:
    """Those of before name none; going back leaves everything else of a record."""
    before, own = revisions("audit_tokens")
    migrate.upgrade(empty, before)
    columns = "sequence, at, actor, role, source, action, subject, previous, digest"
    values = "'ann', 'owner', 's', 'a', 'b', 'p', 'd'"
    execute(empty, f"INSERT INTO audit_records ({columns}) VALUES (1, 7, {values})")  # noqa: S608
    migrate.upgrade(empty, own)
    named = f"{columns}, token_id, token_label"
    execute(empty, f"INSERT INTO audit_records ({named}) VALUES (2, 8, {values}, 't', 'ci')")  # noqa: S608
    query = "SELECT sequence, token_id, token_label FROM audit_records ORDER BY sequence"
    assert rows(empty, query) == [(1, None, None), (2, "t", "ci")]
    migrate.downgrade(empty, before)
    left = "SELECT sequence, actor FROM audit_records ORDER BY sequence"
    assert rows(empty, left) == [(1, "ann"), (2, "ann")]
