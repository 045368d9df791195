"""Orders that have lost their record, and an adopted ledger: each ends once, and nothing is sent again."""

from collections.abc import Callable, Sequence
from copy import deepcopy
from datetime import timedelta

import pytest

from tests.fakes.gateway import FakePayWizard
from tests.fakes.ledger import FakeLedger
from tests.fakes.ledger_store import LedgerStore
from tests.unit.application.open_orders import checks, run, statuses
from tests.unit.application.worker_over_fakes import (
    CARD,
    CHECK_TOPIC,
    CLIENT,
    WorkerOverFakes,
    payment,
)
from worker.application.ports import Place, SourceRecord
from worker.domain.entry import Entry, Source
from worker.domain.replies import NotSent, NotSentCause
from worker.domain.states import State

LONG = timedelta(days=2).total_seconds()


@pytest.fixture(autouse=True)
def card(worker: WorkerOverFakes) -> None:
    """The card that commands are about."""
    worker.paywizard.issue(CARD, {"USD": 100})


async def claimed(store: LedgerStore) -> SourceRecord:
    """A record whose process ended after the claim, before anything was sent."""
    unreachable = FakePayWizard()
    unreachable.will(*[NotSent(NotSentCause.DNS)] * 10_000)
    before = WorkerOverFakes(store=store, paywizard=unreachable, owner="process-0")
    record = before.send(payment())
    await before.until(lambda: store.entries)
    await before.stop()
    assert store.entries[CLIENT, "T-1"].state is State.CLAIMED
    return record


async def submitted(worker: WorkerOverFakes) -> SourceRecord:
    """A record whose process waits for its answer."""
    worker.paywizard.answering.clear()
    record = worker.send(payment())
    await worker.paywizard.wait_for_requests(1)
    return record


def successor_of(worker: WorkerOverFakes, lost: SourceRecord) -> WorkerOverFakes:
    """Another process, long after, which knows that a record is no more."""
    successor = WorkerOverFakes(
        store=worker.store, paywizard=worker.paywizard, owner="process-2"
    )
    worker.store.advance(LONG)
    successor.kafka.places[lost.source] = Place.GONE
    return successor


@pytest.mark.parametrize("was_submitted", [False, True])
async def test_two_checks_of_one_orphan_publish_once(
    worker: WorkerOverFakes, was_submitted: bool
) -> None:
    """Both lie in the partition when its owner comes back, and both are read before a commit."""
    lost = await submitted(worker) if was_submitted else await claimed(worker.store)
    successor = successor_of(worker, lost)
    await successor.due.once()
    worker.store.advance(61)
    await successor.due.once()
    first, second = checks(successor)
    successor.kafka.committing = False
    for check in (first, second):
        successor.send(check.value, topic=CHECK_TOPIC)
    await successor.until(lambda: len(successor.kafka.handed_over) == 2)
    successor.kafka.settle(committed=True)
    assert statuses(successor) == ["IN_DOUBT" if was_submitted else "NOT_EXECUTED"]
    await successor.stop()


async def test_a_check_of_an_orphan_that_was_settled_meanwhile_completes(
    worker: WorkerOverFakes,
) -> None:
    """It finds that another check has taken the lost record's place."""
    successor = successor_of(worker, await submitted(worker))
    await successor.due.once()
    worker.store.advance(61)
    await successor.due.once()
    first, second = checks(successor)
    await run(successor, first)
    await run(successor, second)
    assert statuses(successor) == ["IN_DOUBT"]
    await successor.stop()


async def test_a_record_that_completes_between_two_looks_leaves_no_orphan(
    worker: WorkerOverFakes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The due task read the entry before, and asks for the record's place afterwards."""
    record = await claimed(worker.store)
    worker.store.advance(LONG)
    worker.clock.moment = worker.store.moment
    due = worker.ledger.due

    async def due_then_completed(
        limit: int, again: Callable[[Entry, float | None], float | None]
    ) -> Sequence[Entry]:
        entries = await due(limit, again)
        await worker.again(record)
        worker.kafka.places[record.source] = Place.COMPLETE
        return entries

    monkeypatch.setattr(worker.ledger, "due", due_then_completed)
    await worker.due.once()
    assert len(statuses(worker)) == 1
    assert checks(worker) == []


async def test_a_check_of_an_orphan_that_is_being_sent_leaves_it_alone(
    worker: WorkerOverFakes,
) -> None:
    """The check was written of a claim; by now the one who had it in hand has submitted it."""
    worker.paywizard.hold_back(CLIENT)
    worker.paywizard.answering.clear()
    held = worker.send(payment())
    await worker.until(lambda: worker.store.entries)
    successor = successor_of(worker, held)
    await successor.due.once()
    (check,) = checks(successor)
    worker.paywizard.let_go(CLIENT)
    await worker.paywizard.wait_for_requests(1)
    await run(successor, check)
    assert statuses(successor) == []
    worker.paywizard.answering.set()
    await worker.until(lambda: held in worker.kafka.committed)
    assert statuses(worker) == ["SUCCEEDED"]
    await successor.stop()


async def test_a_reply_between_the_two_moves_of_an_orphans_check_counts(
    worker: WorkerOverFakes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The check has taken the record's place, and has not said yet that the order is in doubt."""
    successor = successor_of(worker, await submitted(worker))
    await successor.due.once()
    take_orphan = FakeLedger.take_orphan

    async def taken_then_answered(self: FakeLedger, entry: Entry, source: Source) -> Entry:
        taken = await take_orphan(self, entry, source)
        worker.paywizard.answering.set()
        await worker.until(lambda: worker.state_of("T-1") is State.SUCCEEDED)
        return taken

    monkeypatch.setattr(FakeLedger, "take_orphan", taken_then_answered)
    (check,) = checks(successor)
    await run(successor, check)
    await successor.due.once()
    for decided in checks(successor)[1:]:
        await run(successor, decided)
    assert statuses(successor)[0] == "IN_DOUBT"
    assert worker.state_of("T-1") is State.SUCCEEDED
    await successor.stop()


async def test_what_a_restored_ledger_has_as_claimed_is_not_sent_again(
    worker: WorkerOverFakes,
) -> None:
    """The copy was taken after the claim; the order was executed after that."""
    record = await claimed(worker.store)
    copy = deepcopy(worker.store)
    worker.kafka.committing = False
    worker.dispatcher.receive([record])
    await worker.until(lambda: worker.kafka.handed_over)
    since = worker.clock.now() + timedelta(hours=1)
    adopting = WorkerOverFakes(
        store=copy, paywizard=worker.paywizard, owner="process-9", adopted_since=since
    )
    await adopting.again(record)
    told = [(result["status"], result["reason"]) for result in adopting.results()]
    assert told == [("IN_DOUBT", "ADOPTED_LEDGER")]
    assert len(worker.paywizard.requests) == 1
    await adopting.stop()


async def test_an_orphan_of_a_restored_ledger_is_in_doubt(worker: WorkerOverFakes) -> None:
    """Nobody knows whether the lost ledger had sent it: NOT_EXECUTED might be a lie."""
    record = await claimed(worker.store)
    since = worker.clock.now() + timedelta(hours=1)
    adopting = WorkerOverFakes(
        store=worker.store, paywizard=worker.paywizard, owner="process-9", adopted_since=since
    )
    worker.store.advance(LONG)
    adopting.kafka.places[record.source] = Place.COMPLETE
    await adopting.due.once()
    (check,) = checks(adopting)
    await run(adopting, check)
    told = [(result["status"], result["reason"]) for result in adopting.results()]
    assert told == [("IN_DOUBT", "ADOPTED_LEDGER")]
    await adopting.stop()
