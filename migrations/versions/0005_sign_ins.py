"""Counts of attempts to sign in, and second factors with their recovery codes."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
MOMENT = sa.BigInteger()


def upgrade():
    op.create_table(
        "sign_in_attempts",
        sa.Column("bucket", NAME, nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("ends_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("bucket", name="pk_sign_in_attempts"),
    )
    op.create_index("ix_sign_in_attempts_ends_at", "sign_in_attempts", ["ends_at"])
    op.create_table(
        "second_factors",
        sa.Column("operator", NAME, nullable=False),
        sa.Column("sealed_secret", sa.LargeBinary(), nullable=False),
        sa.Column("last_step", sa.BigInteger(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("operator", name="pk_second_factors"),
    )
    op.create_table(
        "recovery_codes",
        sa.Column("operator", NAME, nullable=False),
        sa.Column("code_digest", NAME, nullable=False),
        sa.PrimaryKeyConstraint("operator", "code_digest", name="pk_recovery_codes"),
    )


def downgrade():
    op.drop_table("recovery_codes")
    op.drop_table("second_factors")
    op.drop_table("sign_in_attempts")
