"""A ledger file with orders in it, for the commands that look at them."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from tests.contract.ledger_entries import an_entry, entry_in
from tests.instruments import unwatched_metrics
from tests.integration.ledger.history import make_older, rewrite
from worker.adapters.sql import schema
from worker.adapters.sql.ledger import SqlLedger
from worker.application.ports import Mark
from worker.domain.card import Card
from worker.domain.entry import Entry, Published, Request
from worker.domain.evidence import Query
from worker.domain.money import Money
from worker.domain.states import State

ACCOUNT = "600000000000001234"
CARD = Card("client-1", "FACTOR4", ACCOUNT)
MOMENT = datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC)
DAY = timedelta(days=1)


def in_ledger(path: Path, work: Callable[[SqlLedger], Awaitable[object]]) -> str:
    """Make a ledger, let a worker write to it, and return its URL."""
    url = f"sqlite:///{path}"
    schema.upgrade(url)

    async def run() -> None:
        ledger = await SqlLedger.open(
            url, "owner-1", unwatched_metrics(), orphan_after_seconds=90_000
        )
        ledger.drain()
        try:
            await work(ledger)
        finally:
            await ledger.close()

    asyncio.run(run())
    return url


def a_payment(number: str) -> Entry:
    """A payment of 10.50 USD from a card that must not be shown."""
    request = Request(received_at=MOMENT, entry_type="K", money=Money(Decimal("10.50"), "USD"))
    return replace(an_entry(number, card=CARD), request=request)


def morning(path: Path) -> str:
    """What an operator finds: one parked, one pending, one paid, one old one, one of a number twice."""

    async def fill(ledger: SqlLedger) -> None:
        parked = await entry_in(ledger, State.IN_DOUBT, a_payment("parked"))
        asked = [Query(MOMENT, "transIndexCode", "not found")]
        await ledger.note(parked, asked)
        pending = await entry_in(ledger, State.PENDING, a_payment("pending"), "checkout-9")
        for entry in (parked, pending):
            await ledger.mark_published([Mark(*entry.key, Published.FIRST)])
        paid = await entry_in(ledger, State.SUCCEEDED, a_payment("paid"), "checkout-1")
        old = await entry_in(ledger, State.SUCCEEDED, a_payment("old"), "checkout-2")
        for entry in (paid, old):
            await ledger.mark_published([Mark(*entry.key, Published.FINAL)])
        other = replace(
            a_payment("paid"), client_id="client-2", card=replace(CARD, client_id="client-2")
        )
        await entry_in(ledger, State.DECLINED, other)
        await entry_in(ledger, State.SUBMITTED, a_payment("at work"))

    url = in_ledger(path, fill)
    rewrite(url, a_payment("parked"), next_check_at=None)
    make_older(url, a_payment("parked"), 2 * DAY)
    make_older(url, a_payment("old"), 100 * DAY)
    return url
