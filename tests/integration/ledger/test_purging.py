"""Purging on both databases: content goes, and the tombstone does all that the number needs (P13)."""

import itertools
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from tests.contract.ledger_entries import (
    an_entry,
    an_outcome,
    entry_in,
    read,
    submitted,
)
from tests.integration.ledger.conftest import OpenSql
from tests.integration.ledger.history import make_older, rewrite, row_of
from worker.adapters.sql import schema
from worker.adapters.sql.ledger import SqlLedger
from worker.adapters.sql.operating import OperatorsLedger
from worker.adapters.sql.orders import Wanted, find_orders, list_orders, now
from worker.adapters.sql.purging import count_purgeable, purge_batch
from worker.application.ports import LostRaceError, Mark, OriginalRefusedError
from worker.domain.claims import Claim, Own, judge_existing, replay_of
from worker.domain.entry import Entry, Published, Request, Ruling, Source, StoredOutcome
from worker.domain.evidence import Query
from worker.domain.money import Money
from worker.domain.operations import Operation
from worker.domain.originals import judge_original
from worker.domain.outcomes import DecidedBy
from worker.domain.replies import Answer, Balance
from worker.domain.states import FINAL, Event, State

pytestmark = pytest.mark.integration

DAY = timedelta(days=1)
PLANTED = "PLANTED"
ELSEWHERE = Source("topic-id", "paywizard.commands.payment", 3, 7)
VOIDABLE = frozenset({Operation.PAYMENT})


def purge(url: str, limit: int = 500, age: timedelta = DAY) -> int:
    """Purge one batch of what was decided a day ago."""
    with OperatorsLedger.opened(url) as ledger:
        with ledger.reading() as connection:
            before = now(connection) - age
        return purge_batch(ledger, before, limit)


def purgeable(url: str) -> int:
    """Count what could be purged."""
    with OperatorsLedger.opened(url) as ledger, ledger.reading() as connection:
        return count_purgeable(connection, now(connection) - DAY)


async def old(
    url: str,
    ledger: SqlLedger,
    number: str = "paid",
    state: State = State.SUCCEEDED,
    checkout: str | None = "checkout-1",
    published: Published = Published.FINAL,
) -> Entry:
    """Return an order of two days ago."""
    entry = await entry_in(ledger, state, an_entry(number), checkout)
    if published is not Published.NOTHING:
        await ledger.mark_published([Mark(*entry.key, published)])
    make_older(url, entry, 2 * DAY)
    return await read(ledger, entry)


async def test_no_content_is_left_of_a_purged_order(url: str, ledger: SqlLedger) -> None:
    """Whatever was asked, answered, asked about and ruled is gone from the row."""
    entry = replace(
        an_entry(),
        request=Request(
            received_at=datetime(2026, 2, 3, tzinfo=UTC),
            entry_type=PLANTED,
            money=Money(Decimal("987654.32"), PLANTED),
            points=987654,
            original_tran_order_no=PLANTED,
            original_checkout_id=PLANTED,
            headers=(("traceparent", PLANTED.encode()),),
        ),
    )
    outcome = StoredOutcome(
        decided_by=DecidedBy.OPERATOR,
        reason=PLANTED,
        reason_detail=PLANTED,
        answer=Answer(
            msg=PLANTED,
            checkout_id="checkout-1",
            paywizard_id=PLANTED,
            amount="987654.32",
            balances=(Balance(PLANTED, Decimal("987654.32"), Decimal(0)),),
        ),
        ruling=Ruling(PLANTED, PLANTED, datetime(2026, 2, 3, tzinfo=UTC)),
    )
    doubt = await entry_in(ledger, State.IN_DOUBT, entry)
    asked = [Query(datetime(2026, 2, 3, tzinfo=UTC), PLANTED, PLANTED)]
    decided = await ledger.move(doubt, Event.RESOLVED_SUCCEEDED, outcome, ELSEWHERE, asked)
    await ledger.mark_published([Mark(*decided.key, Published.FINAL)])
    make_older(url, decided, 2 * DAY)
    before = row_of(url, decided)
    assert purge(url) == 1
    after = row_of(url, decided)
    text = json.dumps(after, default=str)
    assert not [trace for trace in (PLANTED, "987654", "UExBTlRFR") if trace in text]
    gone = {"request", "outcome", "queries", "undecided_since"}
    changed = {name for name in after if after[name] != before[name]}
    assert changed == gone | {"version", "purged_at"}
    assert json.loads(after["outcome"]) == {
        "decidedBy": "OPERATOR",
        "answer": {"checkoutId": "checkout-1"},
    }


async def test_what_is_undecided_unpublished_or_young_stays(
    url: str, ledger: SqlLedger
) -> None:
    """Of every state, mark and age only the decided, published and old are purged."""
    kinds = itertools.product(State, Published, (timedelta(hours=23), timedelta(hours=25)))
    orders = []
    for number, (state, published, age) in enumerate(kinds):
        entry = await entry_in(ledger, state, an_entry(str(number)), f"checkout-{number}")
        make_older(url, entry, age)
        rewrite(url, entry, published=published.value)
        orders.append((entry, state in FINAL and published is Published.FINAL and age > DAY))
    assert purgeable(url) == len(FINAL)
    assert purge(url) == len(FINAL)
    for entry, is_old in orders:
        assert ((await read(ledger, entry)).purged_at is not None) == is_old


async def test_an_order_that_was_decided_late_stays_until_then(
    url: str, ledger: SqlLedger
) -> None:
    """It is the decision that must be old, not the claim."""
    entry = await old(url, ledger)
    rewrite(url, entry, decided_at=datetime.now(UTC))
    assert (purgeable(url), purge(url)) == (0, 0)


async def test_purging_stops_and_goes_on_anywhere(url: str, ledger: SqlLedger) -> None:
    """Each batch is done for good, and the next takes what is left; in the end there is nothing."""
    for number in range(5):
        state = State.SUCCEEDED if number % 2 else State.DECLINED
        await old(url, ledger, str(number), state, f"checkout-{number}")
    assert purgeable(url) == 5
    assert purge(url, limit=2) == 2
    assert purgeable(url) == 3
    assert [purge(url, limit=2) for _ in range(3)] == [2, 1, 0]


async def test_a_repeated_number_is_still_a_duplicate_or_a_conflict(
    url: str, ledger: SqlLedger
) -> None:
    """P1, P5, P13: an old number never executes again; but there is nothing left to replay."""
    entry = await old(url, ledger)
    assert replay_of(entry) is not None
    purge(url)
    stored, is_new = await ledger.claim(replace(an_entry("paid"), source=ELSEWHERE))
    assert (is_new, stored.state, stored.checkout_id) == (False, State.SUCCEEDED, "checkout-1")
    judged = [
        judge_existing(stored, source, fingerprint, Own.NONE)
        for source in (ELSEWHERE, entry.source)
        for fingerprint in (entry.fingerprint, "1:other")
    ]
    assert judged == [Claim.DUPLICATE, Claim.CONFLICT, Claim.PUBLISHED, Claim.PUBLISHED]
    assert replay_of(stored) is None


async def test_a_purged_payment_can_be_voided_once(url: str, ledger: SqlLedger) -> None:
    """The tombstone is an original: found by number and checkoutId, eligible, and taken once."""
    payment = await old(url, ledger)
    purge(url)
    for original in (
        await ledger.find(*payment.key),
        await ledger.find_by_checkout_id("client-1", "checkout-1"),
    ):
        assert original is not None
        assert judge_original(Operation.VOID, original, VOIDABLE) is None
        assert (original.checkout_id, original.card) == ("checkout-1", payment.card)
    await submitted(ledger, an_entry("void", Operation.VOID), "checkout-1")
    with pytest.raises(OriginalRefusedError, match="ORIGINAL_TAKEN"):
        await submitted(ledger, an_entry("again", Operation.VOID), "checkout-1")


async def test_a_purged_void_still_holds_its_original(url: str, ledger: SqlLedger) -> None:
    """Neither a second void nor a tip gets past a void whose content is gone."""
    await old(url, ledger)
    void = await submitted(ledger, an_entry("void", Operation.VOID), "checkout-1")
    await ledger.move(void, Event.APPROVED, an_outcome("checkout-2"), void.source)
    await ledger.mark_published([Mark(*void.key, Published.FINAL)])
    make_older(url, void, 2 * DAY)
    assert purge(url) == 2
    for operation, reason in (
        (Operation.VOID, "ORIGINAL_TAKEN"),
        (Operation.TIP, "ORIGINAL_NOT_ELIGIBLE"),
    ):
        with pytest.raises(OriginalRefusedError, match=reason):
            await submitted(ledger, an_entry(f"late {operation}", operation), "checkout-1")


async def test_who_read_an_order_before_its_purge_must_read_it_again(
    url: str, ledger: SqlLedger
) -> None:
    """Purging is a move like any other: nothing is written over a tombstone."""
    entry = await old(url, ledger)
    purge(url)
    with pytest.raises(LostRaceError):
        await ledger.note(entry, [Query(datetime.now(UTC), "checkoutId", "late")])


async def test_a_purged_order_is_shown_but_not_listed(url: str, ledger: SqlLedger) -> None:
    """Lists are of what has content; a number is answered for ever."""
    await old(url, ledger)
    purge(url)
    with OperatorsLedger.opened(url) as opened, opened.reading() as connection:
        assert list_orders(connection, Wanted(), 10) == []
        assert list_orders(connection, Wanted(account_id=an_entry().card.account_id), 10) == []  # type: ignore[union-attr]
        (order,) = find_orders(connection, "paid", None)
    assert order.entry.purged_at is not None


async def test_purging_waits_for_no_worker(postgresql_place: str, open_sql: OpenSql) -> None:
    """What a worker has locked in PostgreSQL is left for the next time."""
    schema.upgrade(postgresql_place)
    ledger = await open_sql(postgresql_place)
    entry = await old(postgresql_place, ledger)
    other = await old(postgresql_place, ledger, "other", checkout="checkout-2")
    with (
        OperatorsLedger.opened(postgresql_place) as opened,
        opened.writing() as connection,
    ):
        lock = "SELECT 1 FROM entries WHERE tran_order_no = 'paid' FOR UPDATE"
        connection.exec_driver_sql(lock)
        assert purge(postgresql_place) == 1
    assert (await read(ledger, other)).purged_at is not None
    assert (await read(ledger, entry)).purged_at is None
    assert purge(postgresql_place) == 1
