"""Initial schema

Revision ID: 0001
Revises:
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# What the columns were when this was written; app/store/columns.py may move on.
NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
ROW_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")
MOMENT = sa.BigInteger()
JSON = sa.Text()

TABLES = (
    "operators",
    "collateral",
    "audit_records",
    "decisions",
    "secret_versions",
    "secrets",
    "attested_sessions",
    "consumed_nonces",
    "reference_values",
    "stored_keys",
    "policy_versions",
    "revisions",
)


def upgrade():
    _create_revisions()
    _create_policies()
    _create_keys()
    _create_reference_values()
    _create_handshakes()
    _create_secrets()
    _create_decisions()
    _create_audit()
    _create_collateral()
    _create_operators()


def downgrade():
    for table in TABLES:
        op.drop_table(table)


def _create_revisions():
    revisions = op.create_table(
        "revisions",
        sa.Column("name", NAME, nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_revisions"),
    )
    names = ("policies", "reference_values", "signing_keys", "issuers")
    op.bulk_insert(revisions, [{"name": name, "value": 0} for name in names])


def _create_policies():
    op.create_table(
        "policy_versions",
        sa.Column("kind", NAME, nullable=False),
        sa.Column("policy_id", NAME, nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("digest", NAME, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "policy_id", "version", name="pk_policy_versions"),
    )
    op.create_index("ix_policy_versions_digest", "policy_versions", ["digest"])
    op.create_index(
        "uq_policy_versions_active",
        "policy_versions",
        ["kind", "policy_id"],
        unique=True,
        sqlite_where=sa.text("active = 1"),
        postgresql_where=sa.text("active"),
    )


def _create_keys():
    op.create_table(
        "stored_keys",
        sa.Column("key_id", NAME, nullable=False),
        sa.Column("purpose", NAME, nullable=False),
        sa.Column("state", NAME, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("retires_at", MOMENT),
        sa.Column("public_jwk", JSON, nullable=False),
        sa.Column("certificates", sa.Text(), nullable=False),
        sa.Column("sealed_private", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("key_id", name="pk_stored_keys"),
    )
    op.create_index("ix_stored_keys_purpose", "stored_keys", ["purpose"])
    for state in ("current", "next"):
        op.create_index(
            f"uq_stored_keys_{state}",
            "stored_keys",
            ["purpose"],
            unique=True,
            sqlite_where=sa.text(f"state = '{state}'"),
            postgresql_where=sa.text(f"state = '{state}'"),
        )


def _create_reference_values():
    op.create_table(
        "reference_values",
        sa.Column("row_id", ROW_ID, nullable=False),
        sa.Column("name", NAME, nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.Column("registered_at", MOMENT, nullable=False),
        sa.Column("registered_by", sa.Text(), nullable=False),
        sa.Column("withdrawn_at", MOMENT),
        sa.Column("withdrawn_by", sa.Text()),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("value", JSON, nullable=False),
        sa.PrimaryKeyConstraint("row_id", name="pk_reference_values"),
    )
    op.create_index(
        "uq_reference_values_active",
        "reference_values",
        ["name"],
        unique=True,
        sqlite_where=sa.text("active = 1"),
        postgresql_where=sa.text("active"),
    )


def _create_handshakes():
    op.create_table(
        "consumed_nonces",
        sa.Column("nonce_digest", NAME, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("nonce_digest", name="pk_consumed_nonces"),
    )
    op.create_index("ix_consumed_nonces_expires_at", "consumed_nonces", ["expires_at"])
    op.create_table(
        "attested_sessions",
        sa.Column("session_digest", NAME, nullable=False),
        sa.Column("nonce_digest", NAME, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.Column("key_thumbprint", NAME, nullable=False),
        sa.Column("sealed_token", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("session_digest", name="pk_attested_sessions"),
        sa.UniqueConstraint("nonce_digest", name="uq_attested_sessions_nonce_digest"),
    )
    op.create_index("ix_attested_sessions_expires_at", "attested_sessions", ["expires_at"])


def _create_secrets():
    op.create_table(
        "secrets",
        sa.Column("secret_id", ROW_ID, nullable=False),
        sa.Column("repository", NAME, nullable=False),
        sa.Column("type", NAME, nullable=False),
        sa.Column("tag", NAME, nullable=False),
        sa.Column("last_version", sa.Integer(), nullable=False),
        sa.Column("active_version", sa.Integer()),
        sa.Column("deleted_at", MOMENT),
        sa.PrimaryKeyConstraint("secret_id", name="pk_secrets"),
        sa.UniqueConstraint("repository", "type", "tag", name="uq_secrets_path"),
    )
    op.create_table(
        "secret_versions",
        sa.Column("secret_id", ROW_ID, autoincrement=False, nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("size_bytes", sa.Integer(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("secret_id", "version", name="pk_secret_versions"),
        sa.ForeignKeyConstraint(
            ["secret_id"], ["secrets.secret_id"], name="fk_secret_versions_secret_id"
        ),
    )


def _create_decisions():
    op.create_table(
        "decisions",
        sa.Column("decision_id", NAME, nullable=False),
        sa.Column("kind", NAME, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("outcome", NAME, nullable=False),
        sa.Column("reason", NAME, nullable=False),
        sa.Column("tee", NAME),
        sa.Column("subject", NAME, nullable=False),
        sa.Column("policy_digest", NAME),
        sa.Column("reference_values_digest", NAME),
        sa.Column("token_id", NAME),
        sa.Column("issuer", sa.Text()),
        sa.Column("latency_us", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("decision_id", name="pk_decisions"),
    )
    for column in ("kind", "outcome", "reason", "tee", "subject", "token_id"):
        op.create_index(f"ix_decisions_{column}", "decisions", [column, "decision_id"])


def _create_audit():
    op.create_table(
        "audit_records",
        sa.Column("sequence", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("before", sa.Text()),
        sa.Column("after", sa.Text()),
        sa.Column("previous", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("sequence", name="pk_audit_records"),
    )


def _create_collateral():
    op.create_table(
        "collateral",
        sa.Column("name", NAME, nullable=False),
        sa.Column("fetched_at", MOMENT, nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("headers", JSON, nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_collateral"),
    )


def _create_operators():
    op.create_table(
        "operators",
        sa.Column("name", NAME, nullable=False),
        sa.Column("role", NAME, nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("one_time", sa.Boolean(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_operators"),
    )
