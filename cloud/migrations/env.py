"""Alembic's entry: runs the migrations on the connection that `cloud.store.database.migrate` hands over."""

from alembic import context

from cloud.store.tables import metadata


def run() -> None:
    """Migrate in one transaction."""
    context.configure(
        connection=context.config.attributes["connection"], target_metadata=metadata, render_as_batch=True
    )
    with context.begin_transaction():
        context.run_migrations()


run()
