"""Counting what is open, for the metrics: from the partial index of what is due, whatever the ledger's size."""

from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row, func, select

from worker.adapters.sql.session import Session
from worker.adapters.sql.tables import DUE, entries
from worker.adapters.sql.timestamps import database_now, moment_from
from worker.application.ports import LedgerStats, Tally
from worker.domain.states import State

OPEN: Final = (State.CLAIMED, State.SUBMITTED, State.PENDING, State.IN_DOUBT)


def read_stats(session: Session) -> LedgerStats:
    """Count what is open; ages are the database's."""
    since = func.coalesce(entries.c.undecided_since, entries.c.claimed_at)
    rows = session.connection.execute(
        select(entries.c.state, func.count().label("open"), func.min(since).label("since"))
        .where(DUE, entries.c.state.in_([state.value for state in OPEN]))
        .group_by(entries.c.state)
    ).all()
    parked, now, due = _waiting(session)
    counted = {row.state: row for row in rows}
    return LedgerStats(
        tallies=[_tally(state, counted.get(state.value), now) for state in OPEN],
        parked=parked,
        oldest_due_seconds=_age(due, now),
    )


def _waiting(session: Session) -> tuple[int, datetime, datetime | None]:
    """How many are parked, the database's present moment, and when the oldest check was due."""
    parked = (
        select(func.count())
        .where(
            DUE,
            entries.c.next_check_at.is_(None),
            entries.c.state == State.IN_DOUBT.value,
        )
        .scalar_subquery()
    )
    due = select(func.min(entries.c.next_check_at)).where(DUE).scalar_subquery()
    row = session.connection.execute(select(parked, database_now(), due)).one()
    now = moment_from(row[1])
    assert now is not None
    return row[0], now, moment_from(row[2])


def _tally(state: State, row: Row[Any] | None, now: datetime) -> Tally:
    if row is None:
        return Tally(state, 0, 0.0)
    return Tally(state, row.open, _age(moment_from(row.since), now))


def _age(since: datetime | None, now: datetime) -> float:
    return 0.0 if since is None else max(0.0, (now - since).total_seconds())
