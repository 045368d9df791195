"""Entries and balances."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create both tables and the partial indexes."""
    _create_entries()
    _create_balances()


def _create_entries() -> None:
    op.create_table(
        "entries",
        sa.Column("client_id", sa.String, primary_key=True),
        sa.Column("tran_order_no", sa.String, primary_key=True),
        sa.Column("fingerprint", sa.String, nullable=False),
        sa.Column("operation", sa.String, nullable=False),
        sa.Column("loyalty_channel", sa.String),
        sa.Column("account_id", sa.String),
        sa.Column("source_topic_id", sa.String, nullable=False),
        sa.Column("source_topic", sa.String, nullable=False),
        sa.Column("source_partition", sa.Integer, nullable=False),
        sa.Column("source_offset", sa.BigInteger, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("owner", sa.String, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("claimed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("submitted_at", sa.DateTime(timezone=True)),
        sa.Column("decided_at", sa.DateTime(timezone=True)),
        sa.Column("checkout_id", sa.String),
        sa.Column("takes", sa.String),
        sa.Column("request", sa.Text, nullable=False),
        sa.Column("outcome", sa.Text),
        sa.CheckConstraint(
            "state IN ('CLAIMED', 'SUBMITTED', 'PENDING', 'IN_DOUBT', 'SUCCEEDED', "
            "'DECLINED', 'NOT_EXECUTED')",
            name="entries_state",
        ),
        sa.CheckConstraint(
            "(loyalty_channel IS NULL) = (account_id IS NULL)", name="entries_card"
        ),
    )
    op.create_index(
        "entries_takes",
        "entries",
        ["client_id", "takes", "operation"],
        unique=True,
        sqlite_where=sa.text("takes IS NOT NULL"),
        postgresql_where=sa.text("takes IS NOT NULL"),
    )
    op.create_index(
        "entries_checkout_id",
        "entries",
        ["client_id", "checkout_id"],
        sqlite_where=sa.text("checkout_id IS NOT NULL"),
        postgresql_where=sa.text("checkout_id IS NOT NULL"),
    )


def _create_balances() -> None:
    op.create_table(
        "balances",
        sa.Column("client_id", sa.String, primary_key=True),
        sa.Column("loyalty_channel", sa.String, primary_key=True),
        sa.Column("account_id", sa.String, primary_key=True),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Column("previous", sa.Text, nullable=False),
        sa.Column("current", sa.Text, nullable=False),
        sa.Column("source_topic_id", sa.String, nullable=False),
        sa.Column("source_topic", sa.String, nullable=False),
        sa.Column("source_partition", sa.Integer, nullable=False),
        sa.Column("source_offset", sa.BigInteger, nullable=False),
        sa.Column("causes", sa.Text, nullable=False),
        sa.Column("observed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("timestamp", sa.String),
    )
