"""What is read from the ledger, as statements within a given SQL transaction."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from worker.adapters.sql.balances import held_events
from worker.adapters.sql.rows import entry_of
from worker.adapters.sql.session import Session
from worker.adapters.sql.timestamps import moment_from
from worker.application.ports import Held, Mark, NextLook
from worker.domain.entry import Entry
from worker.domain.moves import unproven


def find(session: Session, client_id: str, tran_order_no: str) -> Entry | None:
    """Read one entry by its key."""
    keys = {"key_client_id": client_id, "key_tran_order_no": tran_order_no}
    row = session.one(session.statements.find, keys)
    return None if row is None else entry_of(row)


def find_by_checkout_id(session: Session, client_id: str, checkout_id: str) -> Entry | None:
    """Read the entry whose own effect has this `checkoutId`; of several, one that SUCCEEDED."""
    keys = {"key_client_id": client_id, "key_checkout_id": checkout_id}
    row = session.one(session.statements.find_by_checkout_id, keys)
    return None if row is None else entry_of(row)


def held_in(session: Session, topic_id: str, partition: int) -> Sequence[Held]:
    """Read what a partition's records publish and is not marked published."""
    keys = {"key_source_topic_id": topic_id, "key_source_partition": partition}
    rows = session.all(session.statements.held, keys)
    rows += session.all(session.statements.held_final, keys)
    entries = {entry.key: entry for entry in map(entry_of, rows)}
    outcomes = [
        Held(source.offset, Mark(entry.client_id, entry.tran_order_no, proves))
        for entry in entries.values()
        for source, proves in unproven(entry)
        if (source.topic_id, source.partition) == (topic_id, partition)
    ]
    return outcomes + held_events(session, topic_id, partition)


def lease_left_seconds(session: Session, entry: Entry, lease_seconds: float) -> float:
    """Seconds until the lease is over, negative when it is; both moments are the database's."""
    assert entry.submitted_at is not None
    return lease_seconds - (_now(session) - entry.submitted_at).total_seconds()


def open_seconds(session: Session, entry: Entry) -> float:
    """Seconds since an entry is undecided; both moments are the database's."""
    return _seconds_between(entry.open_since, _now(session)) or 0.0


def take_due(session: Session, limit: int, again: NextLook) -> Sequence[Entry]:
    """Take entries that are due, oldest first, and make them due again as `again` says."""
    now = _now(session)
    taken = [entry_of(row) for row in session.all(session.statements.due, {"limit": limit})]
    next_looks = [
        {
            "key_client_id": entry.client_id,
            "key_tran_order_no": entry.tran_order_no,
            "seconds": again(entry, _seconds_between(entry.open_since, now)),
        }
        for entry in taken
    ]
    returned = session.each(session.statements.again, next_looks)
    return [
        replace(entry, next_check_at=moment_from(row and row[0]))
        for entry, row in zip(taken, returned, strict=True)
    ]


def _now(session: Session) -> datetime:
    row = session.one(session.statements.now, {})
    now = moment_from(row and row[0])
    assert now is not None
    return now


def _seconds_between(before: datetime | None, now: datetime) -> float | None:
    return None if before is None else (now - before).total_seconds()
