"""Console sessions as rows; accounts that can be disabled, and know their last sign-in."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
MOMENT = sa.BigInteger()


def upgrade():
    op.create_table(
        "console_sessions",
        sa.Column("session_digest", NAME, nullable=False),
        sa.Column("handle", NAME, nullable=False),
        sa.Column("operator", NAME, nullable=False),
        sa.Column("proof", NAME, nullable=False),
        sa.Column("begun_at", MOMENT, nullable=False),
        sa.Column("used_at", MOMENT, nullable=False),
        sa.Column("proved_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("agent", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("session_digest", name="pk_console_sessions"),
        sa.UniqueConstraint("handle", name="uq_console_sessions_handle"),
    )
    op.create_index("ix_console_sessions_operator", "console_sessions", ["operator", "handle"])
    op.create_index("ix_console_sessions_expires_at", "console_sessions", ["expires_at"])
    op.add_column("operators", sa.Column("disabled_at", MOMENT))
    op.add_column("operators", sa.Column("last_sign_in_at", MOMENT))


def downgrade():
    op.drop_column("operators", "last_sign_in_at")
    op.drop_column("operators", "disabled_at")
    op.drop_table("console_sessions")
