"""Audit records say why

Revision ID: 0009
Revises: 0008
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade():
    op.add_column("audit_records", sa.Column("note", sa.Text()))


def downgrade():
    op.drop_column("audit_records", "note")
