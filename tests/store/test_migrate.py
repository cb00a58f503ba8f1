"""Migrations: up and down on data, by two processes at once, and equal to the tables."""

from __future__ import annotations

import stat
import subprocess
import sys
from contextlib import closing
from datetime import datetime
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from flask import Flask
from flask_migrate import Migrate
from flask_migrate import upgrade as flask_upgrade
from paths import ROOT
from sqlalchemy import inspect, text
from sqlalchemy.schema import CreateIndex
from store.every_port import sql_stores

from app.broker.secrets import ResourceID
from app.console.decision_hours import HOUR
from app.store import migrate
from app.store.database import Database, db, init_app
from app.store.decision_hours import SQLDecisionHours
from app.store.tables import metadata
from app.trust.decisions import first_decision_id
from app.trust.errors import ConfigError
from app.trust.policies import PolicyKind
from app.trust.policy_engine import PolicyText

_MIGRATE = """
import sys
from app.broker.secrets import ResourceID
from app.store import migrate
from app.store.database import Database
print("ready", flush=True)
sys.stdin.readline()
migrate.upgrade(Database.from_url(sys.argv[1]))
"""


# One that was deleted, and one that was not.
_SECRETS_OF_THE_FIRST_SCHEMA = (
    """INSERT INTO secrets
       (secret_id, repository, type, tag, last_version, active_version, deleted_at)
       VALUES (1, 'a', 'b', 'c', 1, NULL, 5), (2, 'a', 'b', 'd', 1, 1, NULL)""",
    """INSERT INTO secret_versions
       (secret_id, version, size_bytes, created_at, created_by, sealed)
       VALUES (1, 1, 9, 5, 'ada', 'x'), (2, 1, 9, 5, 'ada', 'y')""",
)


def test_an_unknown_revision_is_the_operators_to_mend(database: Database) -> None:
    """A database of a newer version is not touched by an older one."""
    with database.transaction():
        database.writing().execute(text("UPDATE alembic_version SET version_num = '9999'"))
    assert not migrate.current_is_head(database)
    with pytest.raises(ConfigError, match="does not know"):
        migrate.upgrade(database)


def test_the_newest_file_is_the_head() -> None:
    """What its name says is what Alembic finds by following the revisions, and there is one."""
    assert ScriptDirectory(str(migrate.FOLDER)).get_heads() == [migrate.head()]


def test_a_database_that_is_as_it_should_be_needs_no_alembic(tmp_path: Path) -> None:
    """Most commands find nothing to migrate, and start without what migrates."""
    url = f"sqlite:///{tmp_path / 'new.db'}"
    look = _MIGRATE + "print(any(name.startswith('alembic') for name in sys.modules))"
    for loaded in ("True", "False"):
        command = [sys.executable, "-c", look, url]
        said = subprocess.check_output(command, cwd=ROOT, input="\n", text=True)
        assert said.split() == ["ready", loaded]


def test_a_migration_that_fails_leaves_nothing(empty: Database) -> None:
    """DDL is part of the transaction on both engines."""
    with empty.transaction():
        # In the way of the last table that the first migration makes.
        empty.writing().execute(text("CREATE TABLE operators (name TEXT)"))
    with pytest.raises(Exception, match="operators"):
        migrate.upgrade(empty)
    assert set(inspect(empty.engine).get_table_names()) == {"operators"}
    assert not migrate.current_is_head(empty)


def test_up_and_down_on_data(empty: Database, now: datetime) -> None:
    """Down drops what up made, data and all; up again starts afresh."""
    assert not migrate.current_is_head(empty)
    migrate.upgrade(empty)
    stores = sql_stores(empty)
    with empty.transaction():
        policy = PolicyText.of("p", "package policy")
        stores.policies.append(PolicyKind.RESOURCE, policy, "p", now, "a")
    assert migrate.current_is_head(empty)
    migrate.downgrade(empty, "base")
    assert set(inspect(empty.engine).get_table_names()) == {"alembic_version"}
    migrate.upgrade(empty)
    assert stores.policies.active(PolicyKind.RESOURCE) == {}
    assert stores.revisions.current().policies == 0


def test_secrets_that_were_deleted_before_get_a_whole_window(
    empty: Database, now: datetime
) -> None:
    """Whoever deleted them was promised that versions stay; nothing of them is lost, up or down."""
    migrate.upgrade(empty, "0001")
    with empty.transaction():
        for statement in _SECRETS_OF_THE_FIRST_SCHEMA:
            empty.writing().execute(text(statement))
    migrate.upgrade(empty)
    stores = sql_stores(empty)
    (deleted,) = stores.secrets.deleted(after=None, limit=9)
    assert deleted.deleted_at > now
    assert deleted.deleted_by is None
    for path in ("c", "d"):
        (found,) = stores.secrets.versions(ResourceID("a", "b", path))
        assert (found.size_bytes, found.created_by, found.restored_from) == (9, "ada", None)
    migrate.downgrade(empty, "0001")
    with empty.read() as connection:
        assert connection.execute(text("SELECT count(*) FROM secret_versions")).scalar() == 2


def test_collateral_outlives_its_dates(empty: Database) -> None:
    """0008 keeps documents, up and down; without dates, they are due."""
    migrate.upgrade(empty, "0007")
    with empty.transaction():
        empty.writing().execute(
            text(
                "INSERT INTO collateral (name, fetched_at, source, headers, body)"
                " VALUES ('amd/milan/crl', 7, 'https://kds', '{}', :body)"
            ),
            {"body": b"0"},
        )
    migrate.upgrade(empty, "0008")
    columns = "SELECT name, issued_at, expires_at, ageing_at FROM collateral"
    with empty.read() as connection:
        assert connection.execute(text(columns)).all() == [("amd/milan/crl", None, None, 7)]
        assert connection.execute(text("SELECT * FROM fetch_leases")).all() == []
    migrate.downgrade(empty, "0007")
    with empty.read() as connection:
        found = connection.execute(text("SELECT name, fetched_at FROM collateral")).all()
        assert found == [("amd/milan/crl", 7)]


def test_reference_values_outlive_their_provenance(empty: Database) -> None:
    """0016 keeps values, up and down; those from before came in no message that is known."""
    migrate.upgrade(empty, "0015")
    with empty.transaction():
        empty.writing().execute(
            text(
                "INSERT INTO reference_values"
                " (row_id, name, active, expires_at, registered_at, registered_by, source, value)"
                " VALUES (1, 'svn', :yes, 9, 7, 'ada', 'in-toto, signed by ci', '1')"
            ),
            {"yes": True},
        )
    migrate.upgrade(empty, "0016")
    found = sql_stores(empty).reference_values.find("svn")
    assert found is not None
    assert (found.value, found.source, found.provenance) == (1, "in-toto, signed by ci", None)
    migrate.downgrade(empty, "0015")
    with empty.read() as connection:
        assert connection.execute(text("SELECT name, source FROM reference_values")).all() == [
            ("svn", "in-toto, signed by ci")
        ]


def test_up_again_changes_nothing(database: Database) -> None:
    """Every start migrates; only the first one has something to do."""
    with database.transaction():
        database.writing().execute(text("UPDATE revisions SET value = 7"))
    migrate.upgrade(database)
    assert sql_stores(database).revisions.current().issuers == 7


def test_migrations_and_tables_agree(database: Database) -> None:
    """Whoever changes a table writes a migration."""
    with database.read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_server_default": True})
        assert compare_metadata(context, metadata) == []


def test_partial_indexes_agree(sqlite_url: str) -> None:
    """Alembic compares no conditions of indexes, so the statements themselves are compared."""
    with closing(Database.from_url(sqlite_url)) as database, database.read() as connection:
        rows = connection.execute(
            text("SELECT sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL")
        )
        migrated = {row.sql for row in rows}
        declared = {
            str(CreateIndex(index).compile(database.engine))
            for table in metadata.tables.values()
            for index in table.indexes
        }
    assert migrated == declared


def test_two_processes_that_migrate_at_once_both_succeed(empty_url: str) -> None:
    """Replicas that start together: one migrates, the others wait and find it done."""
    command = [sys.executable, "-c", _MIGRATE, empty_url]
    started = [
        subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    for process in started:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in started:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    for process in started:
        process.communicate(timeout=60)
    assert [process.returncode for process in started] == [0, 0, 0]
    with closing(Database.from_url(empty_url)) as database:
        assert migrate.current_is_head(database)


def test_a_new_sqlite_file_is_private(tmp_path: Path) -> None:
    """Names of secrets and of operators are nobody else's business on that machine."""
    path = tmp_path / "new.db"
    with closing(Database.from_url(f"sqlite:///{path}")) as database:
        migrate.upgrade(database)
        files = list(tmp_path.iterdir())
        assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


def test_flask_db_uses_the_same_migrations(tmp_path: Path) -> None:
    """``flask db upgrade`` is the same thing by the usual name."""
    app = Flask("test")
    database = init_app(app, f"sqlite:///{tmp_path}/app.db")
    Migrate(app, db, directory=str(migrate.FOLDER))
    with closing(database):
        with app.app_context():
            flask_upgrade()
        assert migrate.current_is_head(database)


def test_hours_are_counted_from_the_first_decision_that_was_there(
    empty: Database, now: datetime
) -> None:
    """What was decided before the table came is counted; without the table decisions stay."""
    before = _before("decision_hours")
    migrate.upgrade(empty, before)
    row = text(
        "INSERT INTO decisions (decision_id, kind, at, outcome, reason, subject, latency_us, body)"
        " VALUES (:id, 'appraisal', :at, 'allowed', 'affirming', 'default', 1, :body)"
    )
    values = {"id": f"{first_decision_id(now)}0", "at": int(now.timestamp() * 1e6), "body": b"x"}
    with empty.transaction():
        empty.writing().execute(row, values)
    migrate.upgrade(empty)
    hours = SQLDecisionHours(empty)
    assert hours.close(now + 2 * HOUR) == 2
    assert [each.count for each in hours.count(now - HOUR)] == [1]
    migrate.downgrade(empty, before)
    with empty.read() as connection:
        assert connection.execute(text("SELECT count(*) FROM decisions")).scalar_one() == 1


def test_decisions_of_before_have_their_sort(empty: Database) -> None:
    """What was decided before that is found by its sort, and is whole after going back."""
    row = {
        "decision_id": "0" * 32,
        "kind": "release",
        "at": 1,
        "outcome": "denied",
        "reason": "policy-denied",
        "tee": "not-known",
        "subject": "resource/a/b/c",
        "latency_us": 1,
        "body": b"\x00body",
    }
    columns, values = ", ".join(row), ", ".join(f":{name}" for name in row)
    before = _before("decision_sorts")
    migrate.upgrade(empty, before)
    with empty.transaction():
        insert = f"INSERT INTO decisions ({columns}) VALUES ({values})"  # noqa: S608
        empty.writing().execute(text(insert), row)
    migrate.upgrade(empty)
    with empty.read() as connection:
        found = connection.execute(text("SELECT sort, measurement, body FROM decisions")).one()
    assert (found.sort, found.measurement) == ("release denied policy-denied -", None)
    assert bytes(found.body) == b"\x00body"
    migrate.downgrade(empty, before)
    with empty.read() as connection:
        assert connection.execute(text("SELECT subject FROM decisions")).scalar() == row["subject"]
    assert "ix_decisions_tee" in {i["name"] for i in inspect(empty.engine).get_indexes("decisions")}


def _before(name: str) -> str:
    """The revision that the migration of this name follows."""
    (path,) = (migrate.FOLDER / "versions").glob(f"*_{name}.py")
    return f"{int(path.name[:4]) - 1:04}"
