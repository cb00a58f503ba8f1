"""Decisions by sort, and their launch measurement

Revision ID: 0007
Revises: 0006
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
# The TEEs that there were when this was written; another one counts as none.
TEES = (
    "az-snp-vtpm",
    "az-tdx-vtpm",
    "cca",
    "csv",
    "hygondcu",
    "nvidia",
    "nvidia-dpu",
    "sample",
    "sampledevice",
    "se",
    "sgx",
    "snp",
    "tdx",
    "tpm",
)
OLD = ("kind", "outcome", "reason", "tee", "subject")
BY_SORT = ("measurement", "policy_digest", "subject")


def upgrade():
    for column in OLD:
        op.drop_index(f"ix_decisions_{column}", "decisions")
    with _rebuilding() as decisions:
        # Before the body, which SQLite would otherwise have to read through.
        decisions.add_column(sa.Column("measurement", NAME), **_after("latency_us"))
        decisions.add_column(sa.Column("sort", NAME), **_after("measurement"))
    known = ", ".join(f"'{tee}'" for tee in TEES)
    op.execute(
        "UPDATE decisions SET sort = kind || ' ' || outcome || ' ' || reason || ' ' "
        f"|| CASE WHEN tee IN ({known}) THEN tee ELSE '-' END"
    )
    with _rebuilding() as decisions:
        decisions.alter_column("sort", existing_type=NAME, nullable=False)
    op.create_index("ix_decisions_sort", "decisions", ["sort", "decision_id"])
    for position, column in enumerate(BY_SORT):
        columns = [column, "sort", "decision_id", *BY_SORT[position + 1 :]]
        op.create_index(f"ix_decisions_{column}", "decisions", columns)


def downgrade():
    for column in (*BY_SORT, "sort"):
        op.drop_index(f"ix_decisions_{column}", "decisions")
    with _rebuilding() as decisions:
        decisions.drop_column("measurement")
        decisions.drop_column("sort")
    for column in OLD:
        op.create_index(f"ix_decisions_{column}", "decisions", [column, "decision_id"])


def _rebuilding():
    """SQLite cannot put a column in its place, so it copies the table."""
    recreate = "always" if _is_sqlite() else "never"
    return op.batch_alter_table("decisions", recreate=recreate)


def _after(column):
    return {"insert_after": column} if _is_sqlite() else {}


def _is_sqlite():
    return op.get_bind().dialect.name == "sqlite"
