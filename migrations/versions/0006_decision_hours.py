"""Decisions counted by the hour, and reference values by their expiry

Revision ID: 0006
Revises: 0005
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade():
    op.create_table(
        "decision_hours",
        sa.Column("hour", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("counts", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("hour", name="pk_decision_hours"),
    )
    op.create_index(
        "ix_reference_values_expires_at",
        "reference_values",
        ["expires_at", "name"],
        sqlite_where=sa.text("active = 1"),
        postgresql_where=sa.text("active"),
    )


def downgrade():
    op.drop_index("ix_reference_values_expires_at", "reference_values")
    op.drop_table("decision_hours")
