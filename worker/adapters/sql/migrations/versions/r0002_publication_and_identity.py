"""Who publishes an entry, when it is due, and whose ledger this is."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

NOW = {
    # The ledger's own form of a moment: see timestamps.
    "sqlite": "strftime('%Y-%m-%d %H:%M:%f000', 'now')",
    "postgresql": "now()",
}


def upgrade() -> None:
    """Add columns, partial indexes and two tables; drop nothing."""
    _add_columns()
    _create_indexes()
    _create_tables()


def _add_columns() -> None:
    for column in (
        sa.Column("final_source_topic_id", sa.String),
        sa.Column("final_source_topic", sa.String),
        sa.Column("final_source_partition", sa.Integer),
        sa.Column("final_source_offset", sa.BigInteger),
        sa.Column("published", sa.SmallInteger, nullable=False, server_default="0"),
        sa.Column("next_check_at", sa.DateTime(timezone=True)),
    ):
        op.add_column("entries", column)
    # Of what was written before nothing is known to be published: look at all of it once.
    now = NOW[op.get_bind().dialect.name]
    op.execute(f"UPDATE entries SET next_check_at = {now}")  # noqa: S608 our own words


def _create_indexes() -> None:
    for name, columns, where in (
        ("entries_due", ["next_check_at"], "published < 2"),
        (
            "entries_source",
            ["source_topic_id", "source_partition", "source_offset"],
            "published = 0",
        ),
        (
            "entries_final_source",
            ["final_source_topic_id", "final_source_partition", "final_source_offset"],
            "published < 2 AND final_source_topic_id IS NOT NULL",
        ),
    ):
        condition = sa.text(where)
        op.create_index(
            name, "entries", columns, sqlite_where=condition, postgresql_where=condition
        )


def _create_tables() -> None:
    op.create_table(
        "ledger",
        sa.Column("id", sa.SmallInteger, primary_key=True, autoincrement=False),
        sa.Column("ledger_id", sa.String, nullable=False),
        sa.Column("default_client", sa.String, nullable=False),
        sa.Column("group_id", sa.String),
        sa.Column("adopted_since", sa.DateTime(timezone=True)),
        sa.Column("partitions", sa.Text, nullable=False),
        sa.CheckConstraint("id = 1", name="ledger_is_one"),
    )
    op.create_table(
        "writers",
        sa.Column("owner", sa.String, primary_key=True),
        sa.Column("counter", sa.BigInteger, nullable=False),
    )
