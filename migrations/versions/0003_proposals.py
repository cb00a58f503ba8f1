"""Proposals

Revision ID: 0003
Revises: 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
MOMENT = sa.BigInteger()


def upgrade():
    op.create_table(
        "proposals",
        sa.Column("proposal_id", NAME, nullable=False),
        sa.Column("kind", NAME, nullable=False),
        sa.Column("subject", NAME, nullable=False),
        sa.Column("state", NAME, nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("comment", sa.Text(), nullable=False),
        sa.Column("origin", NAME),
        sa.Column("decided_at", MOMENT),
        sa.Column("decided_by", sa.Text()),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("change", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("proposal_id", name="pk_proposals"),
    )
    op.create_index("ix_proposals_state", "proposals", ["state", "proposal_id"])
    op.create_index("ix_proposals_subject", "proposals", ["subject", "proposal_id"])


def downgrade():
    op.drop_table("proposals")
