"""What every ledger stores of entries comes back as it was, and so does time on its own clock."""

from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

from tests.contract.ledger_entries import (
    OpenLedger,
    an_entry,
    entry_in,
)
from worker.application.ports import Ledger
from worker.domain.entry import Request, Ruling, Source, StoredOutcome
from worker.domain.evidence import Query
from worker.domain.money import Money
from worker.domain.operations import Operation
from worker.domain.outcomes import DecidedBy
from worker.domain.replies import Answer, Balance
from worker.domain.states import (
    Event,
    State,
)

FULL_REQUEST = Request(
    received_at=datetime(2026, 2, 3, 4, 5, 6, 789123, tzinfo=timezone(timedelta(hours=8))),
    entry_type="B",
    money=Money(Decimal("99999999999999.0100"), "EUR"),
    points=2**53,
    original_tran_order_no="ordre-é\N{SNOWMAN}",
    original_checkout_id="checkout-0",
    activating=True,
    headers=(
        ("traceparent", b"00-1-2-01"),
        ("é\N{SNOWMAN}\x00", b"\x00\xff\xfe"),
        ("traceparent", b""),
    ),
)
FINAL_SOURCE = Source("topic-ié", "paywizard.internal.status-checks", 11, 2**40 + 1)
FULL_OUTCOME = StoredOutcome(
    decided_by=DecidedBy.WORKER,
    reason="INVALID",
    reason_detail="montant \N{SNOWMAN}",
    answer=Answer(
        http_status=200,
        code=500,
        msg="餘額不足\x00",
        result=1,
        mid="200000000001",
        paywizard_id="10000000001",
        checkout_id="900000000000000001",
        trans_index_code="100000000010000000001",
        ori_checkout_id="900000000000000002",
        ori_trans_index_code="100000000010000000002",
        amount="10.00",
        timestamp="2025-07-24 13:06:10",
        balances=(
            Balance("USD", Decimal("10.0000"), Decimal("-0.0001")),
            Balance("Points", Decimal("1E+3"), Decimal(0)),
        ),
    ),
    ruling=Ruling(
        "operatrice-\N{SNOWMAN}",
        "relevé n° 7, \N{SNOWMAN}",
        datetime(2026, 2, 3, 4, 5, 6, 789000, tzinfo=timezone(timedelta(hours=-5))),
    ),
)
QUERIES = (
    Query(datetime(2026, 2, 3, 4, 5, 6, 789123, tzinfo=UTC), "checkoutId", "not found"),
    Query(
        datetime(2026, 2, 3, 12, 5, 7, tzinfo=timezone(timedelta(hours=8))),
        "transIndexCode",
        "\N{SNOWMAN}\x00",
    ),
)


async def test_every_field_comes_back_as_it_went_in(open_ledger: OpenLedger) -> None:
    """Money to the last digit, any text, any bytes and the order of headers survive."""
    for values in (FULL_REQUEST, FULL_OUTCOME, FULL_OUTCOME.answer):
        assert all(getattr(values, item.name) not in (None, ()) for item in fields(values))
    ledger = await open_ledger("owner-1")
    entry = replace(an_entry("ordre-\N{SNOWMAN}"), request=FULL_REQUEST)
    claimed, _ = await ledger.claim(entry)
    decided = await ledger.move(
        claimed, Event.REFUSED_HERE, FULL_OUTCOME, FINAL_SOURCE, QUERIES
    )
    found = await (await open_ledger("owner-2")).find(*entry.key)
    assert found == decided
    assert found == replace(
        entry,
        state=State.NOT_EXECUTED,
        version=2,
        outcome=FULL_OUTCOME,
        decided_at=decided.decided_at,
        next_check_at=decided.next_check_at,
        final_source=FINAL_SOURCE,
        queries=QUERIES,
    )
    assert found.request.money is not None
    assert str(found.request.money.value) == "99999999999999.0100"


async def test_what_is_absent_stays_absent(ledger: Ledger) -> None:
    """No card, no money, no points; no balances is not the same as none left."""
    await ledger.claim(an_entry(operation=Operation.VOID, card=None))
    found = await ledger.find("client-1", "order-1")
    assert found is not None
    assert replace(found, next_check_at=None) == an_entry(operation=Operation.VOID, card=None)
    none_left = StoredOutcome(decided_by=DecidedBy.REPLY, answer=Answer(balances=()))
    await ledger.move(found, Event.INQUIRED, none_left)
    found = await ledger.find("client-1", "order-1")
    assert found is not None
    assert found.outcome == none_left


async def test_the_lease_runs_on_the_ledgers_clock(ledger: Ledger) -> None:
    """What is left of a lease counts from the submission, and goes below zero."""
    entry = await entry_in(ledger, State.SUBMITTED)
    assert entry.submitted_at is not None
    left = await ledger.lease_left_seconds(entry, 90)
    assert 0 < left <= 90
    earlier = replace(entry, submitted_at=entry.submitted_at - timedelta(seconds=100))
    assert await ledger.lease_left_seconds(earlier, 90) <= -10
    assert await ledger.lease_left_seconds(entry, 90) <= left
