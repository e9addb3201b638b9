"""Alembic runs this file. It applies the revisions on the connection that `migrate` holds."""

from alembic import context

from zoho_pipeline.channels.registry import tables
from zoho_pipeline.channels.registry.migrate import VERSION_TABLE

context.configure(
    connection=context.config.attributes["connection"], target_metadata=tables.metadata, version_table=VERSION_TABLE
)
with context.begin_transaction():
    context.run_migrations()
