"""The history of a reference value is found by its name

Revision ID: 0012
Revises: 0011
"""

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade():
    op.create_index("ix_reference_values_name", "reference_values", ["name", "row_id"])


def downgrade():
    op.drop_index("ix_reference_values_name", "reference_values")
