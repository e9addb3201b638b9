"""Alembic runs this file. It applies the revisions on the connection that `migrate` holds."""

from alembic import context

from zoho_pipeline.channels.registry.migrate import VERSION_TABLE
from zoho_pipeline.channels.registry.tables import metadata

context.configure(
    connection=context.config.attributes["connection"], target_metadata=metadata, version_table=VERSION_TABLE
)
with context.begin_transaction():
    context.run_migrations()
