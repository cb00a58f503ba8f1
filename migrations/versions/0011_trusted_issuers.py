"""Issuers of tokens that operators trust, besides those of the settings file."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
MOMENT = sa.BigInteger()
JSON = sa.Text()


def upgrade():
    op.create_table(
        "trusted_issuers",
        sa.Column("name", NAME, nullable=False),
        sa.Column("iss", NAME, nullable=False),
        sa.Column("kind", NAME, nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("leeway_seconds", sa.Integer(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("audience", sa.Text()),
        sa.Column("algorithms", JSON, nullable=False),
        sa.Column("tee_key_paths", JSON, nullable=False),
        sa.Column("key_set", JSON, nullable=False),
        sa.Column("tls_ca", sa.Text(), nullable=False),
        sa.Column("certificates", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_trusted_issuers"),
        sa.UniqueConstraint("iss", name="uq_trusted_issuers_iss"),
    )


def downgrade():
    op.drop_table("trusted_issuers")
