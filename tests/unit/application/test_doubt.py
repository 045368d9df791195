"""In doubt: asked about until a word of PayWizard's decides, published once when it has."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest

from tests.unit.adapters.paywizard.virtual_time import on_late_virtual_time
from tests.unit.application.open_orders import (
    CHECKOUT,
    NOT_FOUND,
    a_worker,
    checks,
    counted,
    due,
    entry_of,
    found,
    in_doubt,
    look,
    patiently,
    published_open,
    run,
    statuses,
)
from tests.unit.application.worker_over_fakes import (
    BUDGET_SECONDS,
    CHECK_TOPIC,
    CLIENT,
    WorkerOverFakes,
    payment,
)
from worker.application.ports import OutputTopic, SourceRecord
from worker.domain.entry import Published
from worker.domain.outcomes import result_event_id
from worker.domain.replies import (
    Answer,
    Doubt,
    NoAnswer,
    NotSent,
    NotSentCause,
    QueryAnswer,
    Refused,
    Throttled,
)
from worker.domain.states import State

# ── The first check ─────────────────────────────────────────────────────────────────────────


@on_late_virtual_time
async def test_the_first_check_proves_and_asks_nothing() -> None:
    """P2: its arrival marks the first outcome, and the first question comes seconds later."""
    worker = a_worker()
    worker.paywizard.will(NoAnswer(Doubt.TIMEOUT))
    await worker.run(payment())
    await worker.until(lambda: entry_of(worker).published is Published.FIRST)
    worker.store.entries[CLIENT, "T-1"] = replace(
        entry_of(worker), published=Published.NOTHING, next_check_at=None
    )
    await run(worker, checks(worker)[0])
    entry = entry_of(worker)
    assert entry.published is Published.FIRST
    assert entry.next_check_at == worker.store.moment + timedelta(seconds=5)
    assert worker.paywizard.queries == []
    assert statuses(worker) == ["IN_DOUBT"]
    await worker.stop()


@on_late_virtual_time
async def test_nothing_is_asked_before_the_first_outcome_is_proven() -> None:
    """P2: the order is not due, and a check that comes all the same asks nothing."""
    worker = a_worker()
    worker.paywizard.will(NoAnswer(Doubt.TIMEOUT))
    await worker.lose_commit(payment())
    assert await due(worker) == []
    other = a_worker()
    await in_doubt(other)
    (check,) = await due(other)
    await run(worker, check)
    assert worker.paywizard.queries == []
    assert worker.state_of("T-1") is State.IN_DOUBT
    await worker.stop()
    await other.stop()


# ── A query decides ─────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("state", "status", "refreshes"), [(2, "SUCCEEDED", 1), (5, "DECLINED", 0)]
)
@on_late_virtual_time
async def test_doubt_ends_in_exactly_one_final_result(
    state: int, status: str, refreshes: int
) -> None:
    """P2: asked, found, decided; the check that is written after that publishes, once."""
    worker = a_worker()
    await in_doubt(worker)
    worker.paywizard.will_find(NOT_FOUND, found(state))
    assert await look(worker) == ["DUE"]
    assert worker.state_of("T-1") is State.IN_DOUBT
    assert await look(worker) == ["DUE"]
    assert worker.state_of("T-1") is State(status)
    assert statuses(worker) == ["IN_DOUBT"]
    assert await look(worker, 0) == ["DECIDED"]
    await worker.until(lambda: entry_of(worker).published is Published.FINAL)
    assert await look(worker, 10 * BUDGET_SECONDS) == []
    first, final = worker.results()
    assert (final["status"], final["decidedBy"]) == (status, "STATUS_QUERY")
    assert final["reason"] is None
    assert final["checkoutId"] == CHECKOUT
    assert first["eventId"] == result_event_id(CLIENT, "T-1", "first")
    assert final["eventId"] == result_event_id(CLIENT, "T-1", "final")
    assert final["decidedAt"] == entry_of(worker).decided_at
    said = [query["answer"] for query in final["evidence"]["queries"]]
    assert said == ["not found", f"state {state}"]
    assert len(worker.kafka.of(OutputTopic.BALANCE_REFRESH)) == refreshes
    assert len(worker.paywizard.requests) == 1
    queried = worker.metrics.status_checks_total
    assert counted(queried, state="IN_DOUBT", result="not_found") == 1
    assert counted(queried, state="IN_DOUBT", result="decided") == 1
    finals = worker.metrics.final_results_total
    labels = {"operation": "payment", "status": status, "decided_by": "STATUS_QUERY"}
    assert counted(finals, **labels) == 1
    await worker.stop()


@on_late_virtual_time
async def test_a_check_from_before_the_decision_publishes_nothing() -> None:
    """P2: it may be complete elsewhere by now, without a word; what it took nobody would publish."""
    worker = a_worker()
    await in_doubt(worker)
    earlier = await due(worker) + await due(worker)
    assert [check.purpose for check in earlier] == ["DUE", "DUE"]
    worker.paywizard.will_find(found())
    await run(worker, earlier[0])
    assert worker.state_of("T-1") is State.SUCCEEDED
    for check in (*earlier, checks(worker)[0]):
        await run(worker, check)
    assert statuses(worker) == ["IN_DOUBT"]
    assert entry_of(worker).final_source is None
    assert await look(worker, 0) == ["DECIDED"]
    assert statuses(worker) == ["IN_DOUBT", "SUCCEEDED"]
    assert len(worker.paywizard.queries) == 1
    await worker.stop()


@on_late_virtual_time
async def test_of_two_checks_that_publish_one_does() -> None:
    """P2: the due tasks of two workers may both write one; the first to take the outcome has it."""
    for head_start in range(12):
        worker = a_worker()
        await in_doubt(worker)
        worker.paywizard.will_find(found())
        assert await look(worker) == ["DUE"]
        twice = await due(worker, 0) + await due(worker, 3600)
        assert [check.purpose for check in twice] == ["DECIDED", "DECIDED"]
        first = worker.send(twice[0].value, topic=CHECK_TOPIC, partition=0)
        for _ in range(head_start):
            await asyncio.sleep(0)
        second = worker.send(twice[1].value, topic=CHECK_TOPIC, partition=1)
        await worker.until(partial(both_complete, worker, first, second))
        assert statuses(worker) == ["IN_DOUBT", "SUCCEEDED"]
        assert len(worker.kafka.of(OutputTopic.BALANCE_REFRESH)) == 1
        await worker.stop()


def both_complete(worker: WorkerOverFakes, *records: SourceRecord) -> bool:
    """Whether both were committed."""
    return all(record in worker.kafka.committed for record in records)


@on_late_virtual_time
async def test_a_final_result_whose_commit_was_lost_comes_again_by_its_own_check() -> None:
    """P2, P3: the check that took it publishes it, under the same id; no other one does."""
    worker = a_worker()
    await in_doubt(worker)
    worker.paywizard.will_find(found())
    await look(worker)
    (check,) = await due(worker, 0)
    record = await worker.lose_commit(check.value, topic=CHECK_TOPIC)
    assert statuses(worker) == ["IN_DOUBT"]
    assert await look(worker, 3600) == []
    await run(worker, check)
    assert statuses(worker) == ["IN_DOUBT"]
    await worker.again(record)
    await worker.again(record)
    assert statuses(worker) == ["IN_DOUBT", "SUCCEEDED"]
    await worker.stop()


@on_late_virtual_time
async def test_due_times_are_the_ledgers_however_wrong_the_worker() -> None:
    """A worker whose clock is an hour ahead asks no sooner, one that is behind no later."""
    worker = a_worker()
    await in_doubt(worker)
    worker.clock.moment += timedelta(hours=1)
    assert await look(worker, 0) == []
    worker.clock.moment -= timedelta(hours=2)
    assert await look(worker) == ["DUE"]
    await worker.stop()


# ── What decides nothing ────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("answer", "result"),
    [
        (NOT_FOUND, "not_found"),
        (found(amount="77"), "evidence_only"),
        (found(amount=None), "evidence_only"),
        (found(mid="200000000002"), "evidence_only"),
        (found(3), "evidence_only"),
        (found(4), "evidence_only"),
        (found(7), "evidence_only"),
        (found(0), "evidence_only"),
        (NoAnswer(Doubt.TIMEOUT), "no_answer"),
        (NotSent(NotSentCause.CONNECT), "no_answer"),
        (Throttled(1.0, Answer(http_status=429)), "no_answer"),
        (Refused(Answer(http_status=401)), "no_answer"),
    ],
)
@on_late_virtual_time
async def test_what_proves_nothing_is_kept_and_the_order_stays_in_doubt(
    answer: QueryAnswer, result: str
) -> None:
    """P4, G6: the evidence grows, nothing is published, and the next look comes."""
    worker = a_worker()
    await in_doubt(worker)
    worker.paywizard.will_find(answer, answer)
    for asked in (1, 2):
        assert await look(worker) == ["DUE"]
        assert len(entry_of(worker).queries) == asked
    assert worker.state_of("T-1") is State.IN_DOUBT
    assert entry_of(worker).final_source is None
    assert statuses(worker) == ["IN_DOUBT"]
    counter = worker.metrics.status_checks_total
    assert counted(counter, state="IN_DOUBT", result=result) == 2
    assert await look(worker) == ["DUE"]
    await worker.stop()


@on_late_virtual_time
async def test_an_order_that_the_ledger_knows_by_another_number_decides_nothing() -> None:
    """G5: same merchant, same amount, but it is the payment before."""
    worker = a_worker(grace_seconds=2.5)
    await worker.run(payment("T-0"))
    other = worker.results()[0]["checkoutId"]
    worker.paywizard.will(NoAnswer(Doubt.TIMEOUT))
    worker.paywizard.will_find(*[found(checkout_id=other)] * 20)
    await published_open(worker, payment("T-1"))
    assert await look(worker) == ["DUE"]
    entry = entry_of(worker)
    assert (entry.state, entry.checkout_id) == (State.IN_DOUBT, None)
    assert all("by another number" in query.answer for query in entry.queries)
    assert len(entry.queries) == len(worker.paywizard.queries) >= 2
    assert statuses(worker) == ["SUCCEEDED", "IN_DOUBT"]
    await worker.stop()


@on_late_virtual_time
async def test_nothing_is_asked_by_the_checkout_id_of_a_garbled_answer() -> None:
    """It may be anybody's, and here it is that of a payment of the same amount before."""
    worker = a_worker()
    await worker.run(payment("T-0"))
    other = worker.results()[0]["checkoutId"]
    worker.paywizard.will(NoAnswer(Doubt.BAD_REPLY, Answer(checkout_id=other)))
    await published_open(worker, payment("T-1"))
    assert await look(worker) == ["DUE"]
    assert worker.paywizard.queries == ["T-1"]
    assert worker.state_of("T-1") is State.IN_DOUBT
    assert statuses(worker) == ["SUCCEEDED", "IN_DOUBT"]
    await worker.stop()


@on_late_virtual_time
async def test_the_checkout_id_of_a_garbled_answer_keeps_nobody_else_from_it() -> None:
    """The order that it belongs to is found by its number, though another came with that id."""
    worker = a_worker()
    worker.paywizard.will(NoAnswer(Doubt.BAD_REPLY, Answer(checkout_id=CHECKOUT)))
    await published_open(worker, payment("T-0"))
    await in_doubt(worker)
    worker.paywizard.will_find(NOT_FOUND, found(checkout_id=CHECKOUT))
    assert await look(worker) == ["DUE", "DUE"]
    assert worker.paywizard.queries == ["T-0", "T-1"]
    assert worker.state_of("T-0") is State.IN_DOUBT
    assert worker.state_of("T-1") is State.SUCCEEDED
    await worker.stop()


@on_late_virtual_time
async def test_a_check_that_finds_no_slot_leaves_the_order_as_it_is() -> None:
    """PayWizard is held back: the check completes, and the ledger brings the next."""
    worker = a_worker()
    await in_doubt(worker)
    (check,) = await due(worker)
    worker.paywizard.hold_back(CLIENT)
    record = worker.send(check.value, topic=CHECK_TOPIC)
    await patiently(worker, lambda: record in worker.kafka.committed, 120)
    worker.paywizard.let_go(CLIENT)
    assert worker.paywizard.queries == []
    assert await look(worker) == ["DUE"]
    assert worker.paywizard.queries == ["T-1"]
    await worker.stop()
