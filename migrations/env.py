"""Alembic's environment: runs migrations on the connection that app/store/migrate.py hands in.

``flask db`` comes without one and gets a connection of the application's own database.
"""

from alembic import context

from app.store.tables import metadata


def run(connection):
    """Run the migrations inside of the transaction that is open on this connection."""
    context.configure(
        connection=connection,
        target_metadata=metadata,
        compare_server_default=True,
        # SQLite changes a table by copying it.
        render_as_batch=connection.dialect.name == "sqlite",
    )
    with context.begin_transaction():
        context.run_migrations()


given = context.config.attributes.get("connection")
if given is not None:
    run(given)
else:
    from app.store.database import Database, db

    database = Database(db.engine)
    with database.transaction():
        run(database.writing())
