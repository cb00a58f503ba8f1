"""Deleted secrets can be recovered for a while

Revision ID: 0004
Revises: 0003
"""

import time

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

STATES = {"active": "active_version", "deleted": "deleted_at"}


def upgrade():
    op.add_column("secrets", sa.Column("deleted_by", sa.Text()))
    _add_restored_from()
    for state, column in STATES.items():
        condition = sa.text(f"{column} IS NOT NULL")
        op.create_index(
            f"ix_secrets_{state}",
            "secrets",
            ["repository", "type", "tag"],
            sqlite_where=condition,
            postgresql_where=condition,
        )
    # Whoever deleted before was promised that versions stay: each gets a whole window from now on.
    now = time.time_ns() // 1000
    op.execute(sa.text(f"UPDATE secrets SET deleted_at = {now} WHERE deleted_at IS NOT NULL"))


def downgrade():
    for state in STATES:
        op.drop_index(f"ix_secrets_{state}", "secrets")
    op.drop_column("secret_versions", "restored_from")
    op.drop_column("secrets", "deleted_by")


def _add_restored_from():
    column = sa.Column("restored_from", sa.Integer())
    if op.get_context().dialect.name != "sqlite":
        op.add_column("secret_versions", column)
        return
    # SQLite reads a row from its beginning: behind the sealed value, every list of versions would
    # read all of that value.
    with op.batch_alter_table("secret_versions", recreate="always") as table:
        table.add_column(column, insert_after="created_by")
