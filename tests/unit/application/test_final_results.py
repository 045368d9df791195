"""After PENDING and IN_DOUBT: one final result, by whoever holds it, and orphans that end."""

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.fakes.gateway import FakePayWizard
from tests.unit.application.worker_over_fakes import (
    CARD,
    CHECK_TOPIC,
    CLIENT,
    LEASE_SECONDS,
    WorkerOverFakes,
    payment,
)
from worker.adapters.avro.frames import decode_frame
from worker.application.ports import OutputTopic, Place
from worker.domain.entry import Published
from worker.domain.outcomes import result_event_id
from worker.domain.replies import Doubt, NoAnswer, NotSent, NotSentCause
from worker.domain.states import State
from worker.domain.status_checks import FIRST_CHECK_SECONDS


@pytest.fixture(autouse=True)
def card(worker: WorkerOverFakes) -> None:
    """A card with money."""
    worker.paywizard.issue(CARD, {"USD": 100})


def checks(worker: WorkerOverFakes) -> list[bytes]:
    """The StatusChecks that were committed, in order."""
    return [output.value or b"" for output in worker.kafka.of(OutputTopic.STATUS_CHECKS)]


def purposes(worker: WorkerOverFakes) -> list[object]:
    """Why they were written."""
    return [decode_frame(value).fields["purpose"] for value in checks(worker)]


async def in_doubt_with_an_open_call(worker: WorkerOverFakes) -> WorkerOverFakes:
    """A successor publishes IN_DOUBT because the lease is over; the first call is still open."""
    worker.paywizard.answering.clear()
    record = worker.send(payment())
    await worker.paywizard.wait_for_requests(1)
    worker.dispatcher.end_tenure(record.source.topic, 0)
    worker.store.advance(LEASE_SECONDS + 1)
    successor = WorkerOverFakes(
        store=worker.store, paywizard=worker.paywizard, owner="process-2"
    )
    successor.dispatcher.receive([replace(record, tenure=9)])
    await successor.until(lambda: published(worker) is Published.FIRST)
    return successor


def published(worker: WorkerOverFakes) -> Published:
    """What of the order is marked as published."""
    return worker.store.entries[CLIENT, "T-1"].published


async def test_the_first_check_comes_with_the_first_outcome_and_proves_it(
    worker: WorkerOverFakes,
) -> None:
    """P2: its arrival is the proof that no final result can precede the first."""
    worker.paywizard.will(NoAnswer(Doubt.TIMEOUT))
    await worker.run(payment())
    assert purposes(worker) == ["FIRST"]
    entry = worker.store.entries[CLIENT, "T-1"]
    worker.store.entries[CLIENT, "T-1"] = replace(entry, published=Published.NOTHING)
    await worker.run(checks(worker)[0], topic=CHECK_TOPIC)
    assert worker.store.entries[CLIENT, "T-1"].published is Published.FIRST
    assert [result["status"] for result in worker.results()] == ["IN_DOUBT"]


async def test_a_late_reply_becomes_the_final_result(worker: WorkerOverFakes) -> None:
    """P2, P4: PayWizard's word came after the lease; it is published once, as the final one."""
    successor = await in_doubt_with_an_open_call(worker)
    worker.paywizard.answering.set()
    await worker.until(lambda: worker.state_of("T-1") is State.SUCCEEDED)
    assert worker.results() == []
    await successor.due.once()
    assert purposes(successor) == ["FIRST", "DECIDED"]
    final = await successor.run(checks(successor)[1], topic=CHECK_TOPIC)
    await successor.again(final)
    first, last = successor.results()
    assert (first["status"], last["status"]) == ("IN_DOUBT", "SUCCEEDED")
    assert first["eventId"] == result_event_id(CLIENT, "T-1", "first")
    assert last["eventId"] == result_event_id(CLIENT, "T-1", "final")
    assert len(successor.kafka.of(OutputTopic.BALANCE_REFRESH)) == 1
    assert len(worker.paywizard.effects) == 1
    await successor.stop()


async def test_a_late_reply_does_not_change_a_first_outcome(worker: WorkerOverFakes) -> None:
    """P2: the doubt may be out already, by a commit nobody marked; the decision comes after it."""
    worker.kafka.committing = False
    worker.paywizard.answering.clear()
    record = worker.send(payment())
    await worker.paywizard.wait_for_requests(1)
    worker.dispatcher.end_tenure(record.source.topic, 0)
    worker.store.advance(LEASE_SECONDS + 1)
    successor = WorkerOverFakes(
        store=worker.store, paywizard=worker.paywizard, owner="process-2"
    )
    lost = replace(record, tenure=9)
    successor.kafka.committing = False
    successor.dispatcher.receive([lost])
    await successor.until(lambda: successor.kafka.handed_over)
    successor.dispatcher.end_tenure(record.source.topic, 0)
    successor.kafka.settle(committed=False)
    successor.kafka.committing = True
    worker.paywizard.answering.set()
    await worker.until(lambda: worker.state_of("T-1") is State.SUCCEEDED)
    successor.tenure = 9
    await successor.again(record)
    await successor.until(lambda: published(worker) is Published.FIRST)
    worker.store.advance(FIRST_CHECK_SECONDS)
    await successor.due.once()
    assert purposes(successor) == ["FIRST", "DECIDED"]
    await successor.run(checks(successor)[-1], topic=CHECK_TOPIC)
    first, last = successor.results()
    assert (first["status"], last["status"]) == ("IN_DOUBT", "SUCCEEDED")
    assert first["eventId"] == result_event_id(CLIENT, "T-1", "first")
    assert last["eventId"] == result_event_id(CLIENT, "T-1", "final")
    await successor.until(lambda: published(worker) is Published.FINAL)
    await successor.stop()


@pytest.mark.parametrize(
    ("place", "purpose"),
    [
        (Place.GONE, ["ORPHAN"]),
        (Place.OPEN, []),
        (Place.ELSEWHERE, []),
        (Place.COMPLETE, []),
    ],
)
async def test_only_a_record_that_is_no_more_leaves_an_orphan(
    worker: WorkerOverFakes, place: Place, purpose: list[str]
) -> None:
    """An entry is ended by a check only if its own record cannot do it any more."""
    record = await worker.lose_commit(payment())
    worker.store.advance(timedelta(days=2).total_seconds())
    worker.kafka.places[record.source] = place
    await worker.due.once()
    assert purposes(worker) == purpose
    marked = worker.store.entries[CLIENT, "T-1"].published is Published.FINAL
    assert marked == (place is Place.COMPLETE)


async def test_an_orphan_that_was_never_submitted_is_not_executed(
    worker: WorkerOverFakes,
) -> None:
    """P2: nothing left, and nobody will send it any more."""
    unreachable = FakePayWizard()
    unreachable.will(*[NotSent(NotSentCause.DNS)] * 100_000)
    before = WorkerOverFakes(store=worker.store, paywizard=unreachable)
    record = before.send(payment())
    await before.until(lambda: worker.store.entries)
    await before.stop()
    worker.store.advance(timedelta(days=2).total_seconds())
    worker.kafka.places[record.source] = Place.GONE
    await worker.due.once()
    await worker.run(checks(worker)[0], topic=CHECK_TOPIC)
    (result,) = worker.results()
    assert (result["status"], result["reason"]) == ("NOT_EXECUTED", "ORPHANED")


async def test_an_orphaned_submission_is_in_doubt(worker: WorkerOverFakes) -> None:
    """P4: it may have moved money, and its record is no more."""
    worker.paywizard.answering.clear()
    record = worker.send(payment())
    await worker.paywizard.wait_for_requests(1)
    successor = WorkerOverFakes(
        store=worker.store, paywizard=worker.paywizard, owner="process-2"
    )
    worker.store.advance(timedelta(days=2).total_seconds())
    successor.kafka.places[record.source] = Place.GONE
    await successor.due.once()
    check = await successor.run(checks(successor)[0], topic=CHECK_TOPIC)
    await successor.again(check)
    (result,) = successor.results()
    assert (result["status"], result["reason"]) == ("IN_DOUBT", "ORPHANED")
    await successor.stop()


async def test_a_duplicate_gets_the_stored_outcome_where_that_is_wanted() -> None:
    """A sender that repeats learns what became of the first, under the same id."""
    worker = WorkerOverFakes(replay_duplicates=True)
    worker.paywizard.issue(CARD, {"USD": 100})
    await worker.run(payment())
    await worker.until(lambda: worker.store.entries[CLIENT, "T-1"].published)
    await worker.run(payment())
    first, again = worker.results()
    assert first == again
    headers = [dict(output.headers) for output in worker.kafka.of(OutputTopic.RESULTS)]
    assert headers == [{}, {"replayed": b"true"}]
    assert len(worker.paywizard.effects) == 1
    await worker.stop()


async def test_what_an_adopted_ledger_may_have_lost_is_in_doubt_unsent(
    worker: WorkerOverFakes,
) -> None:
    """P9: an older record without an entry may have been executed before the ledger was lost."""
    adopting = WorkerOverFakes(
        paywizard=worker.paywizard, adopted_since=worker.clock.now() + timedelta(seconds=1)
    )
    await adopting.run(payment("T-1"))
    adopting.clock.moment += timedelta(seconds=2)
    await adopting.run(payment("T-2"))
    told = [(result["status"], result["reason"]) for result in adopting.results()]
    assert told == [("IN_DOUBT", "ADOPTED_LEDGER"), ("SUCCEEDED", None)]
    assert len(worker.paywizard.requests) == 1
    await adopting.stop()
