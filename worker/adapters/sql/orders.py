"""What operators ask the ledger: one order with all around it, lists of orders, and counts.

A list is merged from sorted streams, each of which one index gives in its order: so it takes as
many rows as it shows, and a few more, however large the ledger is. Purged orders are in no list;
they are found by their number.
"""

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime
from heapq import merge
from itertools import islice
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    bindparam,
    literal,
    select,
    text,
    tuple_,
)

from worker.adapters.sql.balances import event_of
from worker.adapters.sql.rows import entry_of
from worker.adapters.sql.tables import (
    LISTED,
    ON_CARD,
    PARKED,
    UNPUBLISHED,
    balances,
    entries,
)
from worker.adapters.sql.timestamps import UtcTimestamp, database_now, moment_from
from worker.domain.balances import CardBalances
from worker.domain.entry import Entry, numbered
from worker.domain.states import State

IN_HAND: Final = frozenset({State.CLAIMED, State.SUBMITTED})
"""States of orders without an outcome: few, and all of them unpublished."""

CLIENTS: Final = text(
    "WITH RECURSIVE known(id) AS ("
    "SELECT min(client_id) FROM entries UNION ALL "
    "SELECT (SELECT min(client_id) FROM entries WHERE client_id > known.id) FROM known "
    "WHERE known.id IS NOT NULL) SELECT id FROM known WHERE id IS NOT NULL"
)
"""From one client to the next along the primary key, without reading their orders."""


class Place(NamedTuple):
    """Where a list stands: orders are sorted by the moment of their claim, then by key."""

    claimed_at: datetime
    client_id: str
    tran_order_no: str


@dataclass(frozen=True, slots=True)
class Order:
    """An entry, and when its number was claimed, on the database's clock."""

    entry: Entry
    claimed_at: datetime

    @property
    def place(self) -> Place:
        """Where a list that ends here goes on."""
        return Place(self.claimed_at, *self.entry.key)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which orders to list; what is None or empty restricts nothing.

    `claimed_from` is included, `claimed_before` is not. `parked`: only what waits for an operator.
    """

    states: frozenset[State] = frozenset()
    client_id: str | None = None
    account_id: str | None = field(default=None, repr=False)
    parked: bool = False
    claimed_from: datetime | None = None
    claimed_before: datetime | None = None
    oldest_first: bool = False


NOTHING: Final[Mapping[str, str]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class _Streams:
    """A statement, and the parameters with which it is to be run once each."""

    statement: Select[Any]
    given: Sequence[Mapping[str, str]] = (NOTHING,)


def now(connection: Connection) -> datetime:
    """Read the database's clock."""
    moment = moment_from(connection.execute(select(database_now())).scalar_one())
    assert moment is not None
    return moment


def clients(connection: Connection) -> list[str]:
    """Name every client that has an order."""
    return [row.id for row in connection.execute(CLIENTS)]


def find_orders(
    connection: Connection, tran_order_no: str, client_id: str | None
) -> list[Order]:
    """Read the order of a client, or of each client that has one of that number."""
    known = clients(connection) if client_id is None else [client_id]
    statements = [
        select(entries).where(
            entries.c.client_id == each, entries.c.tran_order_no == tran_order_no
        )
        for each in known
    ]
    return [order for statement in statements for order in _orders(connection, statement)]


def takers_of(connection: Connection, entry: Entry) -> list[Order]:
    """Read the void and the tip that hold an entry as their original."""
    names = [numbered(entry.tran_order_no), entry.proven_checkout_id]
    statement = select(entries).where(
        text("takes IS NOT NULL"),
        entries.c.client_id == entry.client_id,
        entries.c.takes.in_(name for name in names if name is not None),
    )
    return list(_orders(connection, statement))


def balances_known(connection: Connection, entry: Entry) -> CardBalances | None:
    """Read what was last recorded about the card of an entry."""
    if entry.card is None:
        return None
    row = connection.execute(
        select(balances).where(
            balances.c.client_id == entry.card.client_id,
            balances.c.loyalty_channel == entry.card.loyalty_channel,
            balances.c.account_id == entry.card.account_id,
        )
    ).one_or_none()
    return None if row is None or row.sequence == 0 else event_of(row)


def list_orders(
    connection: Connection, wanted: Wanted, limit: int, after: Place | None = None
) -> list[Order]:
    """Read up to `limit` orders, the newest first unless told otherwise, from `after` on."""
    bounds = tuple(_bounds(wanted, after))
    streams = []
    for each in _streams(connection, wanted):
        statement = _sorted(each.statement.where(*bounds), wanted).limit(limit)
        streams += [_orders(connection, statement, given) for given in each.given]
    together = merge(*streams, key=lambda each: each.place, reverse=not wanted.oldest_first)
    return list(islice(together, limit))


def _streams(connection: Connection, wanted: Wanted) -> Iterator[_Streams]:
    """Say what to read: statements that one index each gives in order."""
    states = wanted.states or frozenset(State)
    narrowed = (*_of_client(wanted), _is_in(states))
    if wanted.account_id is not None:
        parked = (PARKED,) if wanted.parked else ()
        on_card = entries.c.account_id == wanted.account_id
        yield _Streams(select(entries).where(ON_CARD, on_card, *narrowed, *parked))
        return
    if wanted.parked:
        if State.IN_DOUBT in states:
            yield _Streams(select(entries).where(PARKED, *_of_client(wanted)))
        return
    if states & IN_HAND:
        in_hand = (*_of_client(wanted), _is_in(states & IN_HAND))
        yield _Streams(select(entries).where(UNPUBLISHED, *in_hand))
    if states - IN_HAND:
        known = [wanted.client_id] if wanted.client_id is not None else clients(connection)
        yield _Streams(
            select(entries).where(
                LISTED,
                entries.c.client_id == bindparam("client"),
                entries.c.state == bindparam("state"),
            ),
            [
                {"client": client_id, "state": state.value}
                for client_id in known
                for state in sorted(states - IN_HAND)
            ],
        )


def _is_in(states: Set[State]) -> ColumnElement[bool]:
    return entries.c.state.in_(sorted(state.value for state in states))


def _of_client(wanted: Wanted) -> tuple[ColumnElement[bool], ...]:
    """Compare the client in a way that tempts nobody to walk through all of its orders."""
    if wanted.client_id is None:
        return ()
    return (entries.c.client_id.concat("") == wanted.client_id,)


def _bounds(wanted: Wanted, after: Place | None) -> Iterator[ColumnElement[bool]]:
    claimed_at = entries.c.claimed_at
    if wanted.claimed_from is not None:
        yield claimed_at >= wanted.claimed_from
    if wanted.claimed_before is not None:
        yield claimed_at < wanted.claimed_before
    if after is None:
        return
    here = tuple_(claimed_at, entries.c.client_id, entries.c.tran_order_no)
    there = tuple_(
        literal(after.claimed_at, UtcTimestamp), literal(after[1]), literal(after[2])
    )
    if wanted.oldest_first:
        # The first of the two bounds is for the index, which ends with the moment.
        yield claimed_at >= after.claimed_at
        yield here > there
    else:
        yield claimed_at <= after.claimed_at
        yield here < there


def _sorted(statement: Select[Any], wanted: Wanted) -> Select[Any]:
    columns = (entries.c.claimed_at, entries.c.client_id, entries.c.tran_order_no)
    return statement.order_by(
        *(column.asc() if wanted.oldest_first else column.desc() for column in columns)
    )


def _orders(
    connection: Connection, statement: Select[Any], given: Mapping[str, str] = NOTHING
) -> Iterator[Order]:
    for row in connection.execute(statement, given):
        claimed_at = moment_from(row.claimed_at)
        assert claimed_at is not None
        yield Order(entry_of(tuple(row)), claimed_at)
