"""Grace: an order whose answer was lost is asked about before anybody hears of doubt."""

import asyncio
import itertools
from decimal import Decimal

import pytest

from tests.unit.adapters.paywizard.virtual_time import on_late_virtual_time
from tests.unit.application.open_orders import (
    CHECKOUT,
    NOT_FOUND,
    a_worker,
    checks,
    entry_of,
    found,
    in_doubt,
    look,
    published_open,
    statuses,
)
from tests.unit.application.worker_over_fakes import (
    CARD,
    CLIENT,
    payment,
)
from worker.application.ports import OutputTopic
from worker.domain.balances import CardBalances
from worker.domain.card_state import CardState
from worker.domain.entry import Published, Source
from worker.domain.outcomes import result_event_id
from worker.domain.replies import (
    Answer,
    Balance,
    Doubt,
    NoAnswer,
    Throttled,
)


@on_late_virtual_time
async def test_an_order_found_in_grace_was_never_in_doubt() -> None:
    """Most lost answers end here unseen: one result, nothing sent twice, nothing to check."""
    worker = a_worker(grace_seconds=30)
    worker.paywizard.will(NoAnswer(Doubt.TIMEOUT), moved=True)
    worker.paywizard.will_find(NOT_FOUND, NoAnswer(Doubt.TIMEOUT), found())
    await worker.run(payment())
    (result,) = worker.results()
    assert (result["status"], result["decidedBy"]) == ("SUCCEEDED", "STATUS_QUERY")
    assert result["checkoutId"] == CHECKOUT
    assert result["eventId"] == result_event_id(CLIENT, "T-1", "first")
    assert worker.paywizard.queries == ["T-1"] * 3
    said = [query["answer"] for query in result["evidence"]["queries"]]
    assert said == ["not found", "no answer: TIMEOUT", "state 2"]
    assert checks(worker) == []
    assert len(worker.paywizard.requests) == 1
    assert len(worker.kafka.of(OutputTopic.BALANCE_REFRESH)) == 1
    await worker.until(lambda: entry_of(worker).published is Published.FINAL)
    await worker.stop()


@on_late_virtual_time
async def test_grace_asks_soon_and_then_seldomer() -> None:
    """Before the first result is out the schedule is short, and over with the grace."""
    worker = a_worker(grace_seconds=30)
    worker.paywizard.will(NoAnswer(Doubt.TIMEOUT))
    loop = asyncio.get_running_loop()
    began = loop.time()
    record, asked_at = worker.send(payment()), list[float]()
    while record not in worker.kafka.committed and loop.time() < began + 60:
        if len(worker.paywizard.queries) > len(asked_at):
            asked_at.append(round(loop.time() - began, 1))
        await asyncio.sleep(0.05)
    gaps = [after - before for before, after in itertools.pairwise(asked_at)]
    assert asked_at[0] <= 2
    assert all(short - 0.2 < long for short, long in itertools.pairwise(gaps))
    assert gaps[-1] > 2 * gaps[0]
    assert 4 < len(asked_at) < 12
    assert 30 <= loop.time() - began < 31
    await worker.stop()


@on_late_virtual_time
async def test_a_pending_order_found_in_grace_is_published_as_pending() -> None:
    """Lost answer, but PayWizard knows the order: it goes on by its checkoutId."""
    worker = a_worker(grace_seconds=30)
    worker.paywizard.will(NoAnswer(Doubt.TIMEOUT))
    worker.paywizard.will_find(found(1))
    await published_open(worker)
    worker.paywizard.will_find(found(2, amount=None))
    assert await look(worker) == ["DUE"]
    assert worker.paywizard.queries == ["T-1", CHECKOUT]
    assert await look(worker, 0) == ["DECIDED"]
    assert statuses(worker) == ["PENDING", "SUCCEEDED"]
    await worker.stop()


@on_late_virtual_time
async def test_what_grace_does_not_find_is_in_doubt_with_all_that_is_known() -> None:
    """P4: submissions, questions with their answers, last known balances; and its first check."""
    worker = a_worker(grace_seconds=8)
    balance = Balance("USD", Decimal("99.5000"), Decimal(0))
    event = CardBalances(
        card=CARD,
        sequence=1,
        previous=(),
        current=(balance,),
        source=Source("id", "refresh", 0, 0),
        causes=(),
        observed_at=worker.clock.now(),
        timestamp=None,
    )
    worker.store.cards[CARD] = CardState(card=CARD, version=1, last=event, published=True)
    worker.paywizard.will(NoAnswer(Doubt.CONNECTION_LOST), moved=True)
    worker.paywizard.will_find(NOT_FOUND, Throttled(None, Answer(http_status=429)))
    await worker.run(payment())
    (result,) = worker.results()
    assert (result["status"], result["reason"]) == ("IN_DOUBT", "CONNECTION_LOST")
    assert result["decidedBy"] == "WORKER"
    evidence, asked = result["evidence"], len(worker.paywizard.queries)
    assert asked > 2
    assert evidence["submissions"] == [{"at": worker.store.moment}]
    assert evidence["queries"] == [
        {"at": worker.clock.now(), "identifier": "transIndexCode", "answer": answer}
        for answer in ("not found", "throttled", *["not found"] * (asked - 2))
    ]
    assert [each["amount"] for each in evidence["lastKnownBalances"]] == [Decimal("99.5")]
    assert [check.purpose for check in checks(worker)] == ["FIRST"]
    assert len(worker.paywizard.requests) == 1
    await worker.stop()


@on_late_virtual_time
async def test_a_card_that_was_never_read_has_no_known_balances() -> None:
    """None is not the same as nothing left."""
    worker = a_worker()
    await in_doubt(worker)
    assert worker.results()[0]["evidence"]["lastKnownBalances"] is None
    await worker.stop()


@pytest.mark.parametrize("how", ["drain", "revoked"])
@on_late_virtual_time
async def test_halted_in_grace_an_order_is_in_doubt_at_once(how: str) -> None:
    """P12: a worker that ends does not wait for PayWizard; what it knows is written and said."""
    worker = a_worker(grace_seconds=600)
    worker.paywizard.will(NoAnswer(Doubt.TIMEOUT))
    record = worker.send(payment())
    await worker.until(lambda: len(worker.paywizard.queries) == 2)
    began = asyncio.get_running_loop().time()
    if how == "drain":
        assert await worker.dispatcher.drain(5)
    else:
        worker.dispatcher.end_tenure(record.source.topic, record.source.partition)
    await worker.until(lambda: record in worker.kafka.committed)
    assert asyncio.get_running_loop().time() - began < 0.1
    assert statuses(worker) == ["IN_DOUBT"]
    assert len(entry_of(worker).queries) == 2
    await worker.stop()


@on_late_virtual_time
async def test_a_ledger_that_is_away_in_grace_is_asked_again() -> None:
    """The question moved nothing; it is asked once more when the ledger is back."""
    worker = a_worker(grace_seconds=30)
    worker.paywizard.will(NoAnswer(Doubt.TIMEOUT))
    worker.paywizard.will_find(found(), found())
    worker.send(payment())
    await worker.until(lambda: worker.paywizard.requests)
    worker.store.available = False
    await worker.until(lambda: worker.store.refusals)
    worker.store.available = True
    await worker.until(worker.results)
    assert statuses(worker) == ["SUCCEEDED"]
    assert worker.paywizard.queries == ["T-1"] * 2
    await worker.stop()


@on_late_virtual_time
async def test_without_a_question_there_is_no_grace_to_wait_for() -> None:
    """G5: whoever does not ask by order number has nothing to ask about a lost answer."""
    worker = a_worker(grace_seconds=600, query_by_order_number=False)
    await in_doubt(worker)
    assert await look(worker) == ["DUE"]
    assert statuses(worker) == ["IN_DOUBT"]
    assert worker.paywizard.queries == []
    assert entry_of(worker).queries == ()
    await worker.stop()
