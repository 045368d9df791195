"""What operators ask the ledger, on both databases: lists, single orders and counts."""

import itertools
import random
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, event, insert

from tests.contract.ledger_entries import CARD, an_entry, entry_in, submitted
from tests.integration.ledger.history import connected, rewrite
from worker.adapters.sql.counting import count_kinds, count_open
from worker.adapters.sql.ledger import SqlLedger
from worker.adapters.sql.operating import OperatorsLedger
from worker.adapters.sql.orders import (
    IN_HAND,
    Order,
    Place,
    Wanted,
    clients,
    find_orders,
    list_orders,
    takers_of,
)
from worker.adapters.sql.rows import entry_row
from worker.adapters.sql.tables import entries
from worker.application.ports import Mark
from worker.domain.entry import Entry, Published, StoredOutcome
from worker.domain.operations import Operation
from worker.domain.outcomes import DecidedBy
from worker.domain.states import FINAL, State

pytestmark = pytest.mark.integration

BEGIN = datetime(2026, 2, 3, 4, 5, 6, 789000, tzinfo=UTC)
CLIENTS = ("client-1", "client-2", "client-3")
CARDS = ("6000-1", "6000-2", None)
PURGED = BEGIN + timedelta(days=90)


def population() -> list[dict[str, Any]]:
    """Orders of every state, client and card, many of the same moment, some parked or purged."""
    randomness = random.Random(7)
    rows = []
    for number, (state, client_id, account_id) in enumerate(
        itertools.product(State, CLIENTS, CARDS * 2)
    ):
        card = None if account_id is None else replace(CARD, account_id=account_id)
        entry = replace(
            an_entry(f"order-{randomness.random()}", client_id=client_id, card=card),
            state=state,
            published=_published(state),
            outcome=None if state in IN_HAND else StoredOutcome(decided_by=DecidedBy.REPLY),
        )
        rows.append(
            entry_row(entry)
            | {
                "claimed_at": BEGIN + timedelta(seconds=randomness.randrange(40)),
                "next_check_at": None if number % 3 else BEGIN,
                "purged_at": PURGED if state in FINAL and number % 5 == 0 else None,
            }
        )
    return rows


def fill(url: str) -> list[dict[str, Any]]:
    """Store the population, and return it."""
    rows = population()
    with connected(url) as connection:
        connection.execute(insert(entries), rows)
    return rows


def _published(state: State) -> Published:
    if state in IN_HAND:
        return Published.NOTHING
    return Published.FINAL if state in FINAL else Published.FIRST


QUESTIONS = {
    "all": Wanted(),
    "one state": Wanted(states=frozenset({State.DECLINED})),
    "in hand": Wanted(states=frozenset({State.SUBMITTED})),
    "in hand of a client": Wanted(states=IN_HAND, client_id="client-2"),
    "several states": Wanted(
        states=frozenset({State.CLAIMED, State.IN_DOUBT, State.SUCCEEDED})
    ),
    "client": Wanted(client_id="client-2"),
    "client and state": Wanted(client_id="client-1", states=frozenset({State.PENDING})),
    "unknown client": Wanted(client_id="client-9"),
    "card": Wanted(account_id="6000-1"),
    "card and client": Wanted(account_id="6000-1", client_id="client-3"),
    "card and state": Wanted(account_id="6000-2", states=frozenset({State.IN_DOUBT})),
    "card and parked": Wanted(account_id="6000-2", parked=True),
    "parked": Wanted(parked=True),
    "parked of a client": Wanted(parked=True, client_id="client-1"),
    "since": Wanted(claimed_from=BEGIN + timedelta(seconds=20)),
    "older than": Wanted(claimed_before=BEGIN + timedelta(seconds=20)),
    "between": Wanted(
        claimed_from=BEGIN + timedelta(seconds=10), claimed_before=BEGIN + timedelta(seconds=20)
    ),
    "since of a card": Wanted(account_id="6000-1", claimed_from=BEGIN + timedelta(seconds=20)),
}


def expected(rows: list[dict[str, Any]], wanted: Wanted) -> list[Place]:
    """Say what a list must show, worked out row by row."""
    places = [
        Place(row["claimed_at"], row["client_id"], row["tran_order_no"])
        for row in rows
        if row["purged_at"] is None
        and (not wanted.states or row["state"] in wanted.states)
        and wanted.client_id in {None, row["client_id"]}
        and wanted.account_id in {None, row["account_id"]}
        and (
            not wanted.parked
            or (
                row["state"] == "IN_DOUBT"
                and row["published"] == 1
                and row["next_check_at"] is None
            )
        )
        and (wanted.claimed_from is None or row["claimed_at"] >= wanted.claimed_from)
        and (wanted.claimed_before is None or row["claimed_at"] < wanted.claimed_before)
    ]
    return sorted(places, reverse=not wanted.oldest_first)


def paged(connection: Connection, wanted: Wanted, limit: int) -> list[Place]:
    """List page by page."""
    places: list[Place] = []
    while True:
        page = list_orders(connection, wanted, limit, places[-1] if places else None)
        places += [order.place for order in page]
        if len(page) < limit:
            return places


def test_every_list_shows_what_is_asked_for_in_order_and_page_by_page(url: str) -> None:
    """Each filter alone and with others, both ways round; no order twice, and none left out."""
    rows = fill(url)
    with OperatorsLedger.opened(url) as ledger, ledger.reading() as connection:
        for what, asked in QUESTIONS.items():
            for oldest_first in (False, True):
                wanted = replace(asked, oldest_first=oldest_first)
                right = expected(rows, wanted)
                assert paged(connection, wanted, 1000) == right, what
                assert paged(connection, wanted, 4) == right, what
                assert right or asked.client_id == "client-9", f"{what} tests nothing"


@contextmanager
def statements(connection: Connection) -> Any:
    """Collect what is sent to the database, with its parameters."""
    sent: list[tuple[str, Any]] = []

    def note(_c: Any, _k: Any, statement: str, parameters: Any, *_: Any) -> None:
        sent.append((statement, parameters))

    event.listen(connection, "before_cursor_execute", note)
    yield sent
    event.remove(connection, "before_cursor_execute", note)


@pytest.mark.parametrize("what", sorted(QUESTIONS))
def test_no_list_walks_through_the_whole_ledger(url: str, what: str) -> None:
    """Each statement of each list, and of its next page, is led by an index made for it."""
    after = Place(BEGIN + timedelta(seconds=20), "client-2", "order-0.5")
    fill(url)
    with OperatorsLedger.opened(url) as ledger, ledger.reading() as connection:
        is_sqlite = connection.dialect.name == "sqlite"
        with statements(connection) as sent:
            for oldest_first in (False, True):
                wanted = replace(QUESTIONS[what], oldest_first=oldest_first)
                list_orders(connection, wanted, 10)
                list_orders(connection, wanted, 10, after)
            find_orders(connection, "order-1", None)
        if not is_sqlite:
            connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        lists = [each for each in sent if "WITH RECURSIVE" not in each[0]]
        assert len(lists) > len(CLIENTS)
        for statement, parameters in lists:
            explain = "EXPLAIN QUERY PLAN " if is_sqlite else "EXPLAIN "
            rows = connection.exec_driver_sql(explain + statement, parameters).all()
            plan = " ".join(str(row[-1]) for row in rows)
            indexes = ("entries_listed", "entries_card", "entries_parked", "entries_source")
            keyed = ("sqlite_autoindex_entries_1", "entries_pkey")
            led = [name for name in (*indexes, *keyed) if name in plan]
            assert led, plan
            is_single = "LIMIT" not in statement
            assert is_single == (led[0] in keyed), plan


@pytest.fixture
async def two_clients(ledger: SqlLedger) -> SqlLedger:
    """Return a ledger in which two clients have used the same number."""
    await entry_in(ledger, State.SUCCEEDED, an_entry("a-1"), "checkout-1")
    await entry_in(ledger, State.DECLINED, an_entry("a-1", client_id="client-2"))
    return ledger


def found(url: str, number: str, client_id: str | None = None) -> list[Order]:
    """Look an order up."""
    with OperatorsLedger.opened(url) as ledger, ledger.reading() as connection:
        return find_orders(connection, number, client_id)


async def test_an_order_is_found_by_its_number_alone(url: str, two_clients: SqlLedger) -> None:
    """Whoever does not name the client gets the order of each client that has one."""
    assert [order.entry.client_id for order in found(url, "a-1")] == ["client-1", "client-2"]
    (one,) = found(url, "a-1", "client-2")
    assert one.entry == await two_clients.find("client-2", "a-1")
    assert found(url, "a-2") == []
    with OperatorsLedger.opened(url) as opened, opened.reading() as connection:
        assert clients(connection) == ["client-1", "client-2"]


async def test_who_took_an_order_is_found(url: str, ledger: SqlLedger) -> None:
    """The void and the tip of a payment, of its client only."""
    paid = await entry_in(ledger, State.SUCCEEDED, an_entry("paid"), "checkout-1")
    tip = await submitted(ledger, an_entry("tip", Operation.TIP), "checkout-1")
    void = await submitted(ledger, an_entry("void", Operation.VOID), "checkout-1")
    await submitted(
        ledger, an_entry("other", Operation.VOID, client_id="client-2"), "checkout-1"
    )
    with OperatorsLedger.opened(url) as opened, opened.reading() as connection:
        takers = takers_of(connection, paid)
        assert {each.entry.tran_order_no for each in takers} == {"tip", "void"}
        assert takers_of(connection, tip) == takers_of(connection, void) == []


async def test_counts(url: str, ledger: SqlLedger) -> None:
    """By state and operation; and what waits for somebody, with the age of the oldest."""
    for state in State:
        await entry_in(ledger, state, an_entry(f"payment-{state}"))
    published = await entry_in(ledger, State.SUCCEEDED, an_entry("out", Operation.RELOAD))
    await ledger.mark_published([Mark(*published.key, Published.FINAL)])
    await _parked(url, ledger)
    with OperatorsLedger.opened(url) as opened, opened.reading() as connection:
        open_, kinds = count_open(connection), count_kinds(connection)
        oldest = list_orders(connection, Wanted(oldest_first=True), 1)[0]
    assert kinds.orders == {
        **{(state, Operation.PAYMENT): 1 for state in State},
        (State.SUCCEEDED, Operation.RELOAD): 1,
        (State.IN_DOUBT, Operation.PAYMENT): 2,
    }
    assert (open_.undecided, open_.parked, open_.unpublished, kinds.purged) == (5, 1, 3, 0)
    assert open_.oldest_undecided == oldest.claimed_at
    assert open_.at >= oldest.claimed_at


async def _parked(url: str, ledger: SqlLedger) -> Entry:
    entry = await entry_in(ledger, State.IN_DOUBT, an_entry("parked"))
    await ledger.mark_published([Mark(*entry.key, Published.FIRST)])
    rewrite(url, entry, next_check_at=None)
    return entry


async def test_looking_keeps_no_worker_waiting(url: str, ledger: SqlLedger) -> None:
    """A worker writes while an operator has a list open, and the list does not change under it."""
    await entry_in(ledger, State.SUCCEEDED, an_entry("a-1"))
    with OperatorsLedger.opened(url, wait_seconds=0.1) as opened:
        with opened.reading() as connection:
            before = list_orders(connection, Wanted(), 10)
            await entry_in(ledger, State.IN_DOUBT, an_entry("a-2"))
            assert len(before) == 1
        with opened.reading() as connection:
            assert len(list_orders(connection, Wanted(), 10)) == 2
