"""The setup code of an installation without an owner."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
MOMENT = sa.BigInteger()


def upgrade():
    op.create_table(
        "setup_codes",
        sa.Column("digest", NAME, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_setup_codes"),
    )


def downgrade():
    op.drop_table("setup_codes")
