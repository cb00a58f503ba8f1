"""Indexes for the filters of the audit log; marks of where it begins and how far it is verified."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
MOMENT = sa.BigInteger()

FILTERS = ("actor", "action", "subject")


def upgrade():
    op.create_index("ix_audit_records_at", "audit_records", ["at", "sequence"])
    for name in FILTERS:
        op.create_index(f"ix_audit_records_{name}", "audit_records", [name, "at", "sequence"])
    op.create_table(
        "audit_marks",
        sa.Column("kind", NAME, nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("at", MOMENT),
        sa.PrimaryKeyConstraint("kind", name="pk_audit_marks"),
    )


def downgrade():
    op.drop_table("audit_marks")
    for name in ("at", *FILTERS):
        op.drop_index(f"ix_audit_records_{name}", "audit_records")
