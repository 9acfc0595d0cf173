"""Run by Alembic: the connection comes from `migrations.steps`."""

from __future__ import annotations

from alembic import context

from pipeyard.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,  # SQLite changes a table by making a new one
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
