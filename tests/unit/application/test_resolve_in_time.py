"""An operator's decision that comes too early, or at the same moment as another word."""

import asyncio
from datetime import timedelta
from functools import partial

import pytest

from tests.unit.adapters.paywizard.virtual_time import on_late_virtual_time
from tests.unit.application.decisions import (
    OUTCOMES,
    decided_while_asking,
    letters,
    resolution,
    resolve,
)
from tests.unit.application.open_orders import (
    a_worker,
    counted,
    due,
    entry_of,
    found,
    in_doubt,
    in_doubt_with_an_open_call,
    look,
    patiently,
    run,
    statuses,
)
from tests.unit.application.worker_over_fakes import (
    CHECK_TOPIC,
    RESOLUTION_TOPIC,
    WorkerOverFakes,
    payment,
)
from worker.application.ports import SourceRecord
from worker.domain.replies import Doubt, NoAnswer
from worker.domain.states import State

# ── Before the first outcome is out ─────────────────────────────────────────────────────────


@on_late_virtual_time
async def test_a_decision_waits_for_the_first_outcome() -> None:
    """P2: nothing final before the doubt is published; then it counts at once."""
    worker = a_worker()
    worker.paywizard.will(NoAnswer(Doubt.TIMEOUT))
    worker.kafka.committing = False
    command = worker.send(payment())
    await worker.until(lambda: command in worker.kafka.handed_over)
    decision = worker.send(resolution("SUCCEEDED"), topic=RESOLUTION_TOPIC)
    await asyncio.sleep(50)
    assert decision not in worker.kafka.handed_over
    assert worker.state_of("T-1") is State.IN_DOUBT
    worker.kafka.committing = True
    worker.kafka.settle(committed=True)
    await worker.until(lambda: decision in worker.kafka.committed)
    assert worker.state_of("T-1") is State.SUCCEEDED
    await look(worker)
    assert statuses(worker) == ["IN_DOUBT", "SUCCEEDED"]
    assert letters(worker) == []
    await worker.stop()


@on_late_virtual_time
async def test_a_decision_waits_a_minute_and_not_longer() -> None:
    """What is not proven by then is looked at by the operator again."""
    worker = a_worker()
    worker.paywizard.will(NoAnswer(Doubt.TIMEOUT))
    await worker.lose_commit(payment())
    began = asyncio.get_running_loop().time()
    decision = worker.send(resolution("SUCCEEDED"), topic=RESOLUTION_TOPIC)
    await patiently(worker, lambda: decision in worker.kafka.committed, 120)
    assert 59 < asyncio.get_running_loop().time() - began < 62
    assert letters(worker) == [("NOT_IN_DOUBT", None)]
    assert worker.state_of("T-1") is State.IN_DOUBT
    await worker.stop()


@pytest.mark.parametrize(
    ("outcome", "expected"), [("SUCCEEDED", []), ("DECLINED", [("NOT_IN_DOUBT", None)])]
)
@on_late_virtual_time
async def test_a_decision_of_an_order_at_work_waits_for_its_end(
    outcome: str, expected: list[tuple[str, None]]
) -> None:
    """PayWizard may still answer: what it says then counts."""
    worker = a_worker()
    worker.paywizard.answering.clear()
    worker.send(payment())
    await worker.paywizard.wait_for_requests(1)
    decision = worker.send(resolution(outcome), topic=RESOLUTION_TOPIC)
    await asyncio.sleep(10)
    assert decision not in worker.kafka.committed
    worker.paywizard.answering.set()
    await worker.until(lambda: decision in worker.kafka.committed)
    assert letters(worker) == expected
    assert statuses(worker) == ["SUCCEEDED"]
    await worker.stop()


@on_late_virtual_time
async def test_a_decision_that_waits_ends_with_its_worker() -> None:
    """P12: it is left where it is, and comes again."""
    worker = a_worker()
    worker.paywizard.will(NoAnswer(Doubt.TIMEOUT))
    await worker.lose_commit(payment())
    worker.send(resolution("SUCCEEDED"), topic=RESOLUTION_TOPIC)
    await asyncio.sleep(5)
    began = asyncio.get_running_loop().time()
    assert await worker.dispatcher.drain(30)
    assert asyncio.get_running_loop().time() - began < 0.1
    assert worker.kafka.published == []
    assert worker.state_of("T-1") is State.IN_DOUBT


# ── Races ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("outcome", OUTCOMES)
@on_late_virtual_time
async def test_an_answer_that_comes_after_the_decision_publishes_nothing(outcome: str) -> None:
    """P2: one final result, the operator's; the check that asked lost the race."""
    worker = await decided_while_asking(outcome)
    assert worker.state_of("T-1") is State(outcome)
    assert statuses(worker) == ["IN_DOUBT"]
    assert await look(worker, 0) == ["DECIDED"]
    assert statuses(worker) == ["IN_DOUBT", outcome]
    assert worker.results()[-1]["decidedBy"] == "OPERATOR"
    await worker.stop()


@on_late_virtual_time
async def test_an_answer_that_contradicts_the_decision_is_kept_and_counted() -> None:
    """A query that says otherwise than how the order ended is evidence, and a person has to look."""
    worker = await decided_while_asking("DECLINED")
    assert [query.answer for query in entry_of(worker).queries] == ["state 2"]
    counter = worker.metrics.ledger_contradictions_total
    assert counted(counter, operation="payment") == 1
    await worker.stop()


def committed(worker: WorkerOverFakes, records: list[SourceRecord]) -> bool:
    """Whether all of them are complete."""
    return all(record in worker.kafka.committed for record in records)


@on_late_virtual_time
async def test_a_decision_and_a_query_that_race_make_one_final_result() -> None:
    """P2: whatever the interleaving, the ledger's word is published once; the other is told."""
    winners = set()
    for head_start in range(-12, 13):
        worker = a_worker()
        await in_doubt(worker)
        worker.paywizard.will_find(found(2))
        (check,) = await due(worker)
        sends = [(check.value, CHECK_TOPIC), (resolution("DECLINED"), RESOLUTION_TOPIC)]
        records: list[SourceRecord] = []
        for value, topic in sends if head_start >= 0 else reversed(sends):
            records.append(worker.send(value, topic=topic))
            for _ in range(abs(head_start)):
                await asyncio.sleep(0)
        await worker.until(partial(committed, worker, records))
        assert await look(worker, 0) == ["DECIDED"]
        assert await look(worker, 3600) == []
        first, final = worker.results()
        assert (first["status"], final["status"]) == ("IN_DOUBT", worker.state_of("T-1"))
        winners.add(final["decidedBy"])
        by_operator = final["decidedBy"] == "OPERATOR"
        assert letters(worker) == ([] if by_operator else [("NOT_IN_DOUBT", None)])
        await worker.stop()
    assert winners == {"OPERATOR", "STATUS_QUERY"}


@on_late_virtual_time
async def test_a_late_reply_that_contradicts_an_operator_is_kept_and_counted() -> None:
    """P4: the operator was wrong, and somebody has to know; the outcome stays."""
    worker = a_worker()
    successor = await in_doubt_with_an_open_call(worker)
    await resolve(successor, "NOT_EXECUTED")
    worker.paywizard.answering.set()
    assert await worker.dispatcher.drain(5)
    entry = entry_of(worker)
    assert entry.state is State.NOT_EXECUTED
    assert [(query.identifier, query.answer) for query in entry.queries] == [
        ("late reply", "approved")
    ]
    counter = worker.metrics.ledger_contradictions_total
    assert counted(counter, operation="payment") == 1
    assert await look(successor, 0) == ["DECIDED"]
    assert statuses(successor) == ["IN_DOUBT", "NOT_EXECUTED"]
    await successor.stop()


@on_late_virtual_time
async def test_a_check_from_before_the_decision_does_not_publish_it() -> None:
    """P2: only one that is written after it may."""
    worker = a_worker()
    await in_doubt(worker)
    (earlier,) = await due(worker)
    await resolve(worker, "NOT_EXECUTED")
    await run(worker, earlier)
    assert statuses(worker) == ["IN_DOUBT"]
    assert entry_of(worker).final_source is None
    assert worker.paywizard.queries == []
    assert await look(worker, 0) == ["DECIDED"]
    assert statuses(worker) == ["IN_DOUBT", "NOT_EXECUTED"]
    await worker.stop()


@on_late_virtual_time
async def test_a_worker_whose_clock_is_wrong_waits_as_long() -> None:
    """The minute is counted on the worker's own waiting, not on its clock."""
    worker = a_worker()
    worker.paywizard.will(NoAnswer(Doubt.TIMEOUT))
    await worker.lose_commit(payment())
    decision = worker.send(resolution("SUCCEEDED"), topic=RESOLUTION_TOPIC)
    await asyncio.sleep(1)
    worker.clock.moment += timedelta(hours=1)
    await asyncio.sleep(30)
    assert decision not in worker.kafka.committed
    await worker.stop()
