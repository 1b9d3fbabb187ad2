"""Alembic's entry: runs the migrations on the connection that `cloud.store.database.migrate` hands over."""

from alembic import context


def run() -> None:
    """Migrate in one transaction."""
    context.configure(connection=context.config.attributes["connection"], render_as_batch=True)
    with context.begin_transaction():
        context.run_migrations()


run()
