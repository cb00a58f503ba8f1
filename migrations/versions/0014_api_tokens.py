"""API tokens."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
MOMENT = sa.BigInteger()
JSON = sa.Text()


def upgrade():
    op.create_table(
        "api_tokens",
        sa.Column("token_id", NAME, nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("role", NAME, nullable=False),
        sa.Column("permissions", JSON, nullable=False),
        sa.Column("maker", sa.Text(), nullable=False),
        sa.Column("account", NAME),
        sa.Column("digest", NAME, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.Column("used_at", MOMENT),
        sa.PrimaryKeyConstraint("token_id", name="pk_api_tokens"),
    )
    op.create_index("ix_api_tokens_account", "api_tokens", ["account", "token_id"])


def downgrade():
    op.drop_table("api_tokens")
