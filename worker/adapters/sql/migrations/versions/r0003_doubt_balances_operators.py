"""What is known of orders in doubt, of cards, and of what operators did."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add columns and indexes; drop nothing."""
    _doubt()
    _balances()
    _operators()


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


def _operators() -> None:
    op.add_column("entries", sa.Column("purged_at", sa.DateTime(timezone=True)))
    op.create_table(
        "redrives",
        sa.Column("letter_topic_id", sa.String, primary_key=True),
        sa.Column("letter_partition", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("letter_offset", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("times", sa.Integer, nullable=False),
        sa.Column("redriven_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("redriven_by", sa.String, nullable=False),
        sa.Column("placed_topic", sa.String),
        sa.Column("placed_partition", sa.Integer),
        sa.Column("placed_offset", sa.BigInteger),
    )
    for name, table, columns, where in (
        (
            "entries_listed",
            "entries",
            ["client_id", "state", "claimed_at"],
            "purged_at IS NULL AND state NOT IN ('CLAIMED', 'SUBMITTED')",
        ),
        (
            "entries_card",
            "entries",
            ["account_id", "claimed_at"],
            "purged_at IS NULL AND account_id IS NOT NULL",
        ),
        (
            "entries_parked",
            "entries",
            ["claimed_at"],
            "next_check_at IS NULL AND state = 'IN_DOUBT' AND published = 1",
        ),
        (
            "redrives_placed",
            "redrives",
            ["placed_topic", "placed_partition", "placed_offset"],
            "placed_topic IS NOT NULL",
        ),
    ):
        condition = sa.text(where)
        op.create_index(
            name, table, columns, sqlite_where=condition, postgresql_where=condition
        )
