"""Purging: the content of old orders goes, a tombstone stays, so that no number executes again (P13).

The tombstone is the row without what was asked, answered and asked about: key, fingerprint with
its version, operation, card, state, checkoutId, what it takes, its moments, its records and what
of it is published. Request and outcome stay in their form, but empty, so that the release before
this one can read them too. It leaves the indexes of operators' lists, which shrink by it.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Select, bindparam, func, select, update

from worker.adapters.sql.operating import OperatorsLedger
from worker.adapters.sql.orders import clients
from worker.adapters.sql.rows import entry_of
from worker.adapters.sql.serialising import outcome_text, request_text
from worker.adapters.sql.tables import LISTED, entries
from worker.adapters.sql.timestamps import database_now
from worker.domain.entry import Entry, Published, Request, StoredOutcome
from worker.domain.replies import Answer
from worker.domain.states import FINAL

BATCH: Final = 500
"""So many at once keep a writer of SQLite waiting for some hundredths of a second."""


def count_purgeable(connection: Connection, before: datetime) -> int:
    """Count the orders that were decided before a moment and can be purged."""
    return sum(
        connection.execute(select(func.count()).select_from(statement.subquery())).scalar_one()
        for statement in _purgeable(connection, before)
    )


def purge_batch(ledger: OperatorsLedger, before: datetime, limit: int = BATCH) -> int:
    """Purge up to `limit` orders in one SQL transaction and return how many; 0: none is left.

    What is undecided, or whose final result is not proven to be published, is never touched, and
    what another process is at work on is left for the next time. It can stop anywhere.
    """
    purged = 0
    with ledger.writing() as connection:
        for statement in _purgeable(connection, before):
            chosen = (
                statement.order_by(entries.c.claimed_at)
                .limit(limit - purged)
                .with_for_update(skip_locked=True)
            )
            rows = connection.execute(chosen).all()
            if rows:
                connection.execute(_PURGE, [_tombstone(entry_of(tuple(row))) for row in rows])
            purged += len(rows)
            if purged == limit:
                break
    return purged


def _purgeable(connection: Connection, before: datetime) -> Iterator[Select[Any]]:
    for client_id in clients(connection):
        for state in sorted(FINAL):
            yield select(entries).where(
                LISTED,
                entries.c.client_id == client_id,
                entries.c.state == state.value,
                # Claimed before it was decided: this bound is for the index.
                entries.c.claimed_at < before,
                entries.c.decided_at < before,
                entries.c.published == Published.FINAL.value,
            )


_PURGE: Final = (
    update(entries)
    .where(
        entries.c.client_id == bindparam("key_client_id"),
        entries.c.tran_order_no == bindparam("key_tran_order_no"),
        entries.c.version == bindparam("key_version"),
    )
    .values(
        request=bindparam("empty_request"),
        outcome=bindparam("empty_outcome"),
        queries=None,
        undecided_since=None,
        purged_at=database_now(),
        # Whoever has read it before must read it again.
        version=entries.c.version + 1,
    )
)


def _tombstone(entry: Entry) -> dict[str, object]:
    outcome = entry.outcome
    assert outcome is not None, "a decision has an outcome"
    left = StoredOutcome(
        decided_by=outcome.decided_by, answer=Answer(checkout_id=entry.proven_checkout_id)
    )
    return {
        "key_client_id": entry.client_id,
        "key_tran_order_no": entry.tran_order_no,
        "key_version": entry.version,
        "empty_request": request_text(Request(received_at=entry.request.received_at)),
        "empty_outcome": outcome_text(left),
    }
