"""What is known of orders in doubt, of cards, and of what operators did."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add columns and indexes; drop nothing."""
    _doubt()
    _balances()


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


def _balances() -> None:
    for column in (
        sa.Column("version", sa.Integer, nullable=False, server_default="1"),
        sa.Column("published", sa.SmallInteger, nullable=False, server_default="0"),
        sa.Column("covered_topic_id", sa.String),
        sa.Column("covered_topic", sa.String),
        sa.Column("covered_partition", sa.Integer),
        sa.Column("covered_offset", sa.BigInteger),
        sa.Column("untold", sa.Text, nullable=False, server_default="[]"),
        sa.Column("stale_entry_type", sa.String),
        sa.Column("stale_tries", sa.Integer, nullable=False, server_default="0"),
        sa.Column("next_refresh_at", sa.DateTime(timezone=True)),
    ):
        op.add_column("balances", column)
    # The refresh that led to a card's last event was served by it, and so was all before.
    op.execute(
        "UPDATE balances SET covered_topic_id = source_topic_id, covered_topic = source_topic,"
        " covered_partition = source_partition, covered_offset = source_offset"
    )
    for name, columns, where in (
        (
            "balances_source",
            ["source_topic_id", "source_partition", "source_offset"],
            "published = 0",
        ),
        ("balances_stale", ["next_refresh_at"], "stale_entry_type IS NOT NULL"),
    ):
        condition = sa.text(where)
        op.create_index(
            name, "balances", columns, sqlite_where=condition, postgresql_where=condition
        )
