"""Each reference value keeps the message that it came in

Values from before have their source as text only.
"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

COLUMNS = ("extractor", "signer", "message_digest")


def upgrade():
    for name in COLUMNS:
        op.add_column("reference_values", sa.Column(name, sa.Text(), nullable=True))


def downgrade():
    for name in COLUMNS:
        op.drop_column("reference_values", name)
