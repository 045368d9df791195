"""The ledger's tables: entries, card balances, redriven dead letters, what it is and who writes to it."""

from typing import Final

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    text,
)

from worker.adapters.sql.timestamps import UtcTimestamp
from worker.domain.states import State

metadata = MetaData()

entries = Table(
    "entries",
    metadata,
    Column("client_id", String, primary_key=True),
    Column("tran_order_no", String, primary_key=True),
    Column("fingerprint", String, nullable=False),
    Column("operation", String, nullable=False),
    Column("loyalty_channel", String),
    Column("account_id", String),
    Column("source_topic_id", String, nullable=False),
    Column("source_topic", String, nullable=False),
    Column("source_partition", Integer, nullable=False),
    Column("source_offset", BigInteger, nullable=False),
    Column("state", String, nullable=False),
    Column("owner", String, nullable=False),
    Column("version", Integer, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("claimed_at", UtcTimestamp, nullable=False),
    Column("submitted_at", UtcTimestamp),
    Column("decided_at", UtcTimestamp),
    Column("checkout_id", String),
    Column("takes", String),
    Column("request", Text, nullable=False),
    Column("outcome", Text),
    Column("final_source_topic_id", String),
    Column("final_source_topic", String),
    Column("final_source_partition", Integer),
    Column("final_source_offset", BigInteger),
    Column("published", SmallInteger, nullable=False, server_default="0"),
    Column("next_check_at", UtcTimestamp),
    Column("undecided_since", UtcTimestamp),
    Column("queries", Text),
    Column("purged_at", UtcTimestamp),
    CheckConstraint(
        f"state IN ({', '.join(repr(state.value) for state in State)})", name="entries_state"
    ),
    CheckConstraint("(loyalty_channel IS NULL) = (account_id IS NULL)", name="entries_card"),
)
"""`request`, `outcome` and `queries` are JSON as text (see serialising); a card is whole or absent."""

Index(
    "entries_takes",
    entries.c.client_id,
    entries.c.takes,
    entries.c.operation,
    unique=True,
    sqlite_where=text("takes IS NOT NULL"),
    postgresql_where=text("takes IS NOT NULL"),
)
"""One void and one tip at most hold an original (G11, G12)."""

Index(
    "entries_checkout_id",
    entries.c.client_id,
    entries.c.checkout_id,
    sqlite_where=text("checkout_id IS NOT NULL"),
    postgresql_where=text("checkout_id IS NOT NULL"),
)
"""Proven ids only; not unique: PayWizard documents no uniqueness of `checkoutId`, and what it says is stored."""

DUE: Final = text("published < 2")
Index("entries_due", entries.c.next_check_at, sqlite_where=DUE, postgresql_where=DUE)

UNPUBLISHED: Final = text("published = 0")
Index(
    "entries_source",
    entries.c.source_topic_id,
    entries.c.source_partition,
    entries.c.source_offset,
    sqlite_where=UNPUBLISHED,
    postgresql_where=UNPUBLISHED,
)

FINAL_UNPUBLISHED: Final = text("published < 2 AND final_source_topic_id IS NOT NULL")
Index(
    "entries_final_source",
    entries.c.final_source_topic_id,
    entries.c.final_source_partition,
    entries.c.final_source_offset,
    sqlite_where=FINAL_UNPUBLISHED,
    postgresql_where=FINAL_UNPUBLISHED,
)

LISTED: Final = text("purged_at IS NULL AND state NOT IN ('CLAIMED', 'SUBMITTED')")
Index(
    "entries_listed",
    entries.c.client_id,
    entries.c.state,
    entries.c.claimed_at,
    sqlite_where=LISTED,
    postgresql_where=LISTED,
)
"""For operators' lists, and what may be purged: an order enters it with its first outcome."""

ON_CARD: Final = text("purged_at IS NULL AND account_id IS NOT NULL")
Index(
    "entries_card",
    entries.c.account_id,
    entries.c.claimed_at,
    sqlite_where=ON_CARD,
    postgresql_where=ON_CARD,
)

PARKED: Final = text("next_check_at IS NULL AND state = 'IN_DOUBT' AND published = 1")
Index("entries_parked", entries.c.claimed_at, sqlite_where=PARKED, postgresql_where=PARKED)
"""Orders in doubt whose time for status checks is over: nothing comes to them by itself."""

balances = Table(
    "balances",
    metadata,
    Column("client_id", String, primary_key=True),
    Column("loyalty_channel", String, primary_key=True),
    Column("account_id", String, primary_key=True),
    Column("sequence", BigInteger, nullable=False),
    Column("previous", Text, nullable=False),
    Column("current", Text, nullable=False),
    Column("source_topic_id", String, nullable=False),
    Column("source_topic", String, nullable=False),
    Column("source_partition", Integer, nullable=False),
    Column("source_offset", BigInteger, nullable=False),
    Column("causes", Text, nullable=False),
    Column("observed_at", UtcTimestamp, nullable=False),
    Column("timestamp", String),
    Column("version", Integer, nullable=False, server_default="1"),
    Column("published", SmallInteger, nullable=False, server_default="0"),
    Column("covered_topic_id", String),
    Column("covered_topic", String),
    Column("covered_partition", Integer),
    Column("covered_offset", BigInteger),
    Column("untold", Text, nullable=False, server_default="[]"),
    Column("stale_entry_type", String),
    Column("stale_tries", Integer, nullable=False, server_default="0"),
    Column("next_refresh_at", UtcTimestamp),
)
"""`previous`, `current`, `causes` and `untold` are JSON as text; `timestamp` is PayWizard's, verbatim.

A card without an event has 0 for its sequence, and is `published`: there is nothing to publish.
"""

Index(
    "balances_source",
    balances.c.source_topic_id,
    balances.c.source_partition,
    balances.c.source_offset,
    sqlite_where=UNPUBLISHED,
    postgresql_where=UNPUBLISHED,
)

STALE: Final = text("stale_entry_type IS NOT NULL")
Index("balances_stale", balances.c.next_refresh_at, sqlite_where=STALE, postgresql_where=STALE)

ledger = Table(
    "ledger",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    Column("ledger_id", String, nullable=False),
    Column("default_client", String, nullable=False),
    Column("group_id", String),
    Column("adopted_since", UtcTimestamp),
    Column("awaits_name", SmallInteger, nullable=False, server_default="0"),
    Column("partitions", Text, nullable=False),
    CheckConstraint("id = 1", name="ledger_is_one"),
)
"""One row, from the first start on; `partitions` is JSON as text: internal topics and counts."""

redrives = Table(
    "redrives",
    metadata,
    Column("letter_topic_id", String, primary_key=True),
    Column("letter_partition", Integer, primary_key=True, autoincrement=False),
    Column("letter_offset", BigInteger, primary_key=True, autoincrement=False),
    Column("times", Integer, nullable=False),
    Column("redriven_at", UtcTimestamp, nullable=False),
    Column("redriven_by", String, nullable=False),
    Column("placed_topic", String),
    Column("placed_partition", Integer),
    Column("placed_offset", BigInteger),
)
"""One row per dead letter that was ever redriven; `placed` is where it then came to lie, if known."""

PLACED: Final = text("placed_topic IS NOT NULL")
Index(
    "redrives_placed",
    redrives.c.placed_topic,
    redrives.c.placed_partition,
    redrives.c.placed_offset,
    sqlite_where=PLACED,
    postgresql_where=PLACED,
)

writers = Table(
    "writers",
    metadata,
    Column("owner", String, primary_key=True),
    Column("counter", BigInteger, nullable=False),
)
"""One row per process that ever wrote: how many groups of writes are durable (P9)."""
