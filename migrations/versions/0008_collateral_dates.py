"""Dates of collateral, leases on vendors' services, bundles that were imported."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
MOMENT = sa.BigInteger()


def upgrade():
    for name in ("issued_at", "expires_at", "ageing_at"):
        op.add_column("collateral", sa.Column(name, MOMENT))
    # What is kept has no dates yet: it is due, so that the next look at it reads them.
    op.execute("UPDATE collateral SET ageing_at = fetched_at")
    op.create_index("ix_collateral_expires_at", "collateral", ["expires_at", "name"])
    op.create_index("ix_collateral_ageing_at", "collateral", ["ageing_at", "name"])
    op.create_table(
        "fetch_leases",
        sa.Column("subject", NAME, nullable=False),
        sa.Column("until", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("subject", name="pk_fetch_leases"),
    )
    op.create_table(
        "collateral_imports",
        sa.Column("signer", NAME, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("signer", name="pk_collateral_imports"),
    )


def downgrade():
    op.drop_table("collateral_imports")
    op.drop_table("fetch_leases")
    op.drop_index("ix_collateral_ageing_at", "collateral")
    op.drop_index("ix_collateral_expires_at", "collateral")
    for name in ("ageing_at", "expires_at", "issued_at"):
        op.drop_column("collateral", name)
