"""What is known of orders in doubt."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add columns and indexes; drop nothing."""
    _doubt()


def _doubt() -> None:
    op.add_column("entries", sa.Column("undecided_since", sa.DateTime(timezone=True)))
    op.add_column("entries", sa.Column("queries", sa.Text))
    # Since when the older ones are undecided nobody noted; their first moment is early enough.
    op.execute(
        "UPDATE entries SET undecided_since = coalesce(submitted_at, claimed_at)"
        " WHERE state IN ('PENDING', 'IN_DOUBT')"
    )
    # They are published, and nothing was to come back to them but the search for orphans.
    op.execute(
        "UPDATE entries SET next_check_at = undecided_since"
        " WHERE state IN ('PENDING', 'IN_DOUBT') AND published = 1"
    )
