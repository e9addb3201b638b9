"""A request for an access token says that it is under way, so that nobody sends a second one beside it."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("registry_mints", sa.Column("under_way", sa.Boolean))
