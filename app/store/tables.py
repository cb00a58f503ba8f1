"""The tables: columns, keys and indexes, the same on SQLite and PostgreSQL.

``migrations/versions`` creates them; a test compares both.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from app.store.columns import NAME, ROW_ID, JSONText, Moment

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(table_name)s_%(column_0_name)s",
    }
)

# One row for each kind of shared state; the counter only grows.
revisions = Table(
    "revisions",
    metadata,
    Column("name", NAME, primary_key=True),
    Column("value", BigInteger, nullable=False),
)

# Only the text of a version never changes; ``active`` moves on to the newest.
policy_versions = Table(
    "policy_versions",
    metadata,
    Column("kind", NAME, primary_key=True),
    Column("policy_id", NAME, primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("digest", NAME, nullable=False, index=True),
    Column("created_at", Moment, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("text", Text, nullable=False),
)
Index(
    "uq_policy_versions_active",
    policy_versions.c.kind,
    policy_versions.c.policy_id,
    unique=True,
    sqlite_where=text("active = 1"),
    postgresql_where=text("active"),
)

stored_keys = Table(
    "stored_keys",
    metadata,
    Column("key_id", NAME, primary_key=True),
    Column("purpose", NAME, nullable=False, index=True),
    Column("state", NAME, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("retires_at", Moment),
    Column("public_jwk", JSONText, nullable=False),
    Column("certificates", Text, nullable=False),
    Column("sealed_private", LargeBinary, nullable=False),
)
for _state in ("current", "next"):
    Index(
        f"uq_stored_keys_{_state}",
        stored_keys.c.purpose,
        unique=True,
        sqlite_where=text(f"state = '{_state}'"),
        postgresql_where=text(f"state = '{_state}'"),
    )

# Every value ever registered; the one of a name that is ``active`` is the value of that name.
reference_values = Table(
    "reference_values",
    metadata,
    Column("row_id", ROW_ID, primary_key=True),
    Column("name", NAME, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("expires_at", Moment, nullable=False),
    Column("registered_at", Moment, nullable=False),
    Column("registered_by", Text, nullable=False),
    Column("withdrawn_at", Moment),
    Column("withdrawn_by", Text),
    Column("source", Text, nullable=False),
    Column("value", JSONText, nullable=False),
    # Of the message that the value came in, empty when it came in none.
    Column("extractor", Text),
    Column("signer", Text),
    Column("message_digest", Text),
)
Index(
    "uq_reference_values_active",
    reference_values.c.name,
    unique=True,
    sqlite_where=text("active = 1"),
    postgresql_where=text("active"),
)

Index(
    "ix_reference_values_expires_at",
    reference_values.c.expires_at,
    reference_values.c.name,
    sqlite_where=text("active = 1"),
    postgresql_where=text("active"),
)

# The history of one name.
Index("ix_reference_values_name", reference_values.c.name, reference_values.c.row_id)

consumed_nonces = Table(
    "consumed_nonces",
    metadata,
    Column("nonce_digest", NAME, primary_key=True),
    Column("expires_at", Moment, nullable=False, index=True),
)

attested_sessions = Table(
    "attested_sessions",
    metadata,
    Column("session_digest", NAME, primary_key=True),
    Column("nonce_digest", NAME, nullable=False),
    Column("expires_at", Moment, nullable=False, index=True),
    Column("key_thumbprint", NAME, nullable=False),
    Column("sealed_token", LargeBinary, nullable=False),
    UniqueConstraint("nonce_digest"),
)

# ``active_version`` is empty when the secret was deleted; its versions stay until it is destroyed,
# and ``deleted_at`` is empty again from then on.
secrets = Table(
    "secrets",
    metadata,
    Column("secret_id", ROW_ID, primary_key=True),
    Column("repository", NAME, nullable=False),
    Column("type", NAME, nullable=False),
    Column("tag", NAME, nullable=False),
    Column("last_version", Integer, nullable=False),
    Column("active_version", Integer),
    Column("deleted_at", Moment),
    Column("deleted_by", Text),
    UniqueConstraint("repository", "type", "tag", name="uq_secrets_path"),
)
# Lists read secrets of one state, in the order of their paths.
for _state, _column in (("active", "active_version"), ("deleted", "deleted_at")):
    Index(
        f"ix_secrets_{_state}",
        secrets.c.repository,
        secrets.c.type,
        secrets.c.tag,
        sqlite_where=text(f"{_column} IS NOT NULL"),
        postgresql_where=text(f"{_column} IS NOT NULL"),
    )

secret_versions = Table(
    "secret_versions",
    metadata,
    Column("secret_id", ROW_ID, ForeignKey("secrets.secret_id"), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("size_bytes", Integer, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("restored_from", Integer),
    Column("sealed", LargeBinary, nullable=False),
)

# What decisions are looked for by besides their sort, those that leave the fewest of them first.
DECISION_FILTERS = ("measurement", "policy_digest", "subject")

# ``body`` is the last column and a list never reads it: compressed inputs and result.
decisions = Table(
    "decisions",
    metadata,
    Column("decision_id", NAME, primary_key=True),
    Column("kind", NAME, nullable=False),
    Column("at", Moment, nullable=False),
    Column("outcome", NAME, nullable=False),
    Column("reason", NAME, nullable=False),
    Column("tee", NAME),
    Column("subject", NAME, nullable=False),
    Column("policy_digest", NAME),
    Column("reference_values_digest", NAME),
    Column("token_id", NAME),
    Column("issuer", Text),
    Column("latency_us", BigInteger, nullable=False),
    Column("measurement", NAME),
    Column("sort", NAME, nullable=False),
    Column("body", LargeBinary, nullable=False),
)
# Ids sort by time, so the newest decisions of a sort stand together at the end of its part of an
# index, whatever else is asked for (app/store/decisions.py).
Index("ix_decisions_sort", decisions.c.sort, decisions.c.decision_id)
Index("ix_decisions_token_id", decisions.c.token_id, decisions.c.decision_id)
# Each ends with the filters of those below it: two together are told from one index alone.
for _position, _filter in enumerate(DECISION_FILTERS):
    Index(
        f"ix_decisions_{_filter}",
        decisions.c[_filter],
        decisions.c.sort,
        decisions.c.decision_id,
        *(decisions.c[_other] for _other in DECISION_FILTERS[_position + 1 :]),
    )

# ``change`` is what is proposed (``app/console/changes.py``); ``subject`` says it for lists.
proposals = Table(
    "proposals",
    metadata,
    Column("proposal_id", NAME, primary_key=True),
    Column("kind", NAME, nullable=False),
    Column("subject", NAME, nullable=False),
    Column("state", NAME, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("comment", Text, nullable=False),
    Column("origin", NAME),
    Column("decided_at", Moment),
    Column("decided_by", Text),
    Column("verdict", Text, nullable=False),
    Column("change", JSONText, nullable=False),
)
for _filter in ("state", "subject"):
    Index(f"ix_proposals_{_filter}", proposals.c[_filter], proposals.c.proposal_id)

# One row for each hour that is over, from the first decision on: what was decided in it.
decision_hours = Table(
    "decision_hours",
    metadata,
    Column("hour", Moment, primary_key=True, autoincrement=False),
    Column("counts", JSONText, nullable=False),
)

# One of each proposal; ``named`` lists the decisions that would come out otherwise.
dry_runs = Table(
    "dry_runs",
    metadata,
    Column("proposal_id", NAME, primary_key=True),
    Column("revision", Integer, nullable=False),
    Column("state", NAME, nullable=False),
    Column("total", Integer, nullable=False),
    Column("done", Integer, nullable=False),
    Column("altered", Integer, nullable=False),
    Column("cursor", NAME),
    Column("basis", Text, nullable=False),
    Column("started_at", Moment, nullable=False),
    Column("started_by", Text, nullable=False),
    Column("named", JSONText, nullable=False),
)

policy_examples = Table(
    "policy_examples",
    metadata,
    Column("kind", NAME, primary_key=True),
    Column("policy_id", NAME, primary_key=True),
    Column("name", NAME, primary_key=True),
    Column("revision", Integer, nullable=False),
    Column("changed_at", Moment, nullable=False),
    Column("changed_by", Text, nullable=False),
    Column("expected", JSONText, nullable=False),
    Column("data", JSONText, nullable=False),
    Column("reference_values", JSONText, nullable=False),
    Column("input", JSONText, nullable=False),
)

audit_records = Table(
    "audit_records",
    metadata,
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("at", Moment, nullable=False),
    Column("actor", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("token_id", Text),
    Column("token_label", Text),
    Column("action", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("before", Text),
    Column("after", Text),
    Column("note", Text),
    Column("previous", Text, nullable=False),
    Column("digest", Text, nullable=False),
)

# Times are almost in the order of the chain, but not quite: each filter has an index by time.
Index("ix_audit_records_at", audit_records.c.at, audit_records.c.sequence)
for _filter in ("actor", "action", "subject"):
    Index(
        f"ix_audit_records_{_filter}",
        audit_records.c[_filter],
        audit_records.c.at,
        audit_records.c.sequence,
    )

# Where the chain begins since records were pruned, and how far it has been verified.
audit_marks = Table(
    "audit_marks",
    metadata,
    Column("kind", NAME, primary_key=True),
    Column("sequence", BigInteger, nullable=False),
    Column("digest", Text, nullable=False),
    Column("at", Moment),
)

# Issuers of tokens that operators added; those of the settings file are not here.
trusted_issuers = Table(
    "trusted_issuers",
    metadata,
    Column("name", NAME, primary_key=True),
    Column("iss", NAME, nullable=False),
    Column("kind", NAME, nullable=False),
    Column("enabled", Boolean, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("leeway_seconds", Integer, nullable=False),
    Column("url", Text, nullable=False),
    Column("audience", Text),
    Column("algorithms", JSONText, nullable=False),
    Column("tee_key_paths", JSONText, nullable=False),
    Column("key_set", JSONText, nullable=False),
    Column("tls_ca", Text, nullable=False),
    Column("certificates", Text, nullable=False),
    UniqueConstraint("iss"),
)

collateral = Table(
    "collateral",
    metadata,
    Column("name", NAME, primary_key=True),
    Column("fetched_at", Moment, nullable=False),
    Column("source", Text, nullable=False),
    Column("headers", JSONText, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("issued_at", Moment),
    Column("expires_at", Moment),
    Column("ageing_at", Moment),
    Index("ix_collateral_expires_at", "expires_at", "name"),
    Index("ix_collateral_ageing_at", "ageing_at", "name"),
)

# Which replica is asking a vendor for a document (fetch:<name>), and how long a service is to be
# left alone (rest:<origin>).
fetch_leases = Table(
    "fetch_leases",
    metadata,
    Column("subject", NAME, primary_key=True),
    Column("until", Moment, nullable=False),
)

# The newest bundle of each signer that was imported.
collateral_imports = Table(
    "collateral_imports",
    metadata,
    Column("signer", NAME, primary_key=True),
    Column("created_at", Moment, nullable=False),
)

operators = Table(
    "operators",
    metadata,
    Column("name", NAME, primary_key=True),
    Column("role", NAME, nullable=False),
    Column("password_hash", Text, nullable=False),
    Column("one_time", Boolean, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("disabled_at", Moment),
    Column("last_sign_in_at", Moment),
)

# A browser that is signed in; ``handle`` is what lists call it, the digest what it shows.
console_sessions = Table(
    "console_sessions",
    metadata,
    Column("session_digest", NAME, primary_key=True),
    Column("handle", NAME, nullable=False),
    Column("operator", NAME, nullable=False),
    Column("proof", NAME, nullable=False),
    Column("begun_at", Moment, nullable=False),
    Column("used_at", Moment, nullable=False),
    Column("proved_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False, index=True),
    Column("source", Text, nullable=False),
    Column("agent", Text, nullable=False),
    UniqueConstraint("handle"),
)
Index("ix_console_sessions_operator", console_sessions.c.operator, console_sessions.c.handle)

# How often something was tried; the bucket is a cut digest, so there is a fixed number of them.
sign_in_attempts = Table(
    "sign_in_attempts",
    metadata,
    Column("bucket", NAME, primary_key=True),
    Column("attempts", Integer, nullable=False),
    Column("ends_at", Moment, nullable=False, index=True),
)

second_factors = Table(
    "second_factors",
    metadata,
    Column("operator", NAME, primary_key=True),
    Column("sealed_secret", LargeBinary, nullable=False),
    Column("last_step", BigInteger, nullable=False),
    Column("created_at", Moment, nullable=False),
)

recovery_codes = Table(
    "recovery_codes",
    metadata,
    Column("operator", NAME, primary_key=True),
    Column("code_digest", NAME, primary_key=True),
)

setup_codes = Table(
    "setup_codes",
    metadata,
    Column("digest", NAME, primary_key=True),
    Column("expires_at", Moment, nullable=False),
)

# ``digest`` is of the secret part alone; ``account`` is empty when no account made the token.
api_tokens = Table(
    "api_tokens",
    metadata,
    Column("token_id", NAME, primary_key=True),
    Column("label", Text, nullable=False),
    Column("role", NAME, nullable=False),
    Column("permissions", JSONText, nullable=False),
    Column("maker", Text, nullable=False),
    Column("account", NAME),
    Column("digest", NAME, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False),
    Column("used_at", Moment),
)
Index("ix_api_tokens_account", api_tokens.c.account, api_tokens.c.token_id)
