"""Audit records say which API token acted.

Revision ID: 0017
Revises: 0016
"""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade():
    op.add_column("audit_records", sa.Column("token_id", sa.Text()))
    op.add_column("audit_records", sa.Column("token_label", sa.Text()))


def downgrade():
    op.drop_column("audit_records", "token_label")
    op.drop_column("audit_records", "token_id")
