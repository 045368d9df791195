"""Orders of other days: what the database's clock would have written, and all that a row holds."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, select, update

from worker.adapters.sql.database import database_for
from worker.adapters.sql.tables import entries
from worker.domain.entry import Entry, Published

MARKED = (Published.NOTHING, Published.FIRST, Published.FINAL)


@contextmanager
def connected(url: str) -> Iterator[Connection]:
    """Look into the database itself."""
    engine = database_for(url).engine()
    with engine.begin() as connection:
        yield connection
    engine.dispose()


def rewrite(url: str, entry: Entry, **columns: Any) -> None:
    """Change columns of an entry's row, as no ledger would."""
    with connected(url) as connection:
        connection.execute(update(entries).where(*_is(entry)).values(**columns))


def make_older(url: str, entry: Entry, age: timedelta) -> None:
    """Let an entry have happened so much earlier."""
    row = row_of(url, entry)
    moments: dict[str, datetime] = {
        name: row[name] - age
        for name in ("claimed_at", "submitted_at", "decided_at")
        if row[name] is not None
    }
    rewrite(url, entry, **moments)


def row_of(url: str, entry: Entry) -> dict[str, Any]:
    """Read all columns of an entry's row."""
    with connected(url) as connection:
        row = connection.execute(select(entries).where(*_is(entry))).one()
    return dict(row._mapping)


def _is(entry: Entry) -> tuple[Any, ...]:
    return (
        entries.c.client_id == entry.client_id,
        entries.c.tran_order_no == entry.tran_order_no,
    )
