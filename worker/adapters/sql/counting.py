"""How many orders there are, of which kind, and how old the oldest is that nobody has decided."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, case, func, select

from worker.adapters.sql.orders import now
from worker.adapters.sql.tables import DUE, PARKED, entries
from worker.adapters.sql.timestamps import moment_from
from worker.domain.operations import Operation
from worker.domain.states import FINAL, State


@dataclass(frozen=True, slots=True, kw_only=True)
class Open:
    """What is not decided or not published.

    `oldest_undecided` is when the oldest order was claimed that is not decided; parked ones
    count. `unpublished` are decided orders whose final result is not proven to be out.
    """

    at: datetime
    undecided: int
    oldest_undecided: datetime | None
    parked: int
    unpublished: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Kinds:
    """All orders by state and operation, and how many of them are purged."""

    orders: Mapping[tuple[State, Operation], int]
    purged: int


def count_open(connection: Connection) -> Open:
    """Count along the index of what is not published as final, however large the ledger is."""
    is_decided = entries.c.state.in_(sorted(FINAL))
    undecided, oldest, unpublished = connection.execute(
        select(
            _number(~is_decided),
            func.min(case((~is_decided, entries.c.claimed_at))),
            _number(is_decided),
        ).where(DUE)
    ).one()
    parked = connection.execute(select(func.count()).select_from(entries).where(PARKED))
    return Open(
        at=now(connection),
        undecided=undecided,
        oldest_undecided=moment_from(oldest),
        parked=parked.scalar_one(),
        unpublished=unpublished,
    )


def count_kinds(connection: Connection) -> Kinds:
    """Count all orders; reads the whole table, and stands in nobody's way."""
    state, operation = entries.c.state, entries.c.operation
    rows = connection.execute(
        select(state, operation, func.count(), func.count(entries.c.purged_at)).group_by(
            state, operation
        )
    ).all()
    return Kinds(
        orders={(State(row[0]), Operation(row[1])): row[2] for row in rows},
        purged=sum(row[3] for row in rows),
    )


def _number(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.count(case((condition, 1)))
