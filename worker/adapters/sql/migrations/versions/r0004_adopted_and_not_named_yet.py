"""Whether a ledger that was adopted has been named by a committed offset since."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add a column; of a ledger that was adopted before nobody noted it."""
    op.add_column(
        "ledger",
        sa.Column("awaits_name", sa.SmallInteger, nullable=False, server_default="0"),
    )
