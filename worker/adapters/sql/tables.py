"""The ledger's tables: one row per order number, one row per card with published balances."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Index,
    Integer,
    MetaData,
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
    CheckConstraint(
        f"state IN ({', '.join(repr(state.value) for state in State)})", name="entries_state"
    ),
    CheckConstraint("(loyalty_channel IS NULL) = (account_id IS NULL)", name="entries_card"),
)
"""`request` and `outcome` are JSON as text (see serialising); a card is whole or absent."""

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
"""Not unique: PayWizard documents no uniqueness of `checkoutId`, and what it says is stored."""

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
)
"""`previous`, `current` and `causes` are JSON as text; `timestamp` is PayWizard's, verbatim."""
