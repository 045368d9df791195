"""Something unforeseen fails while calls are open: what was sent must never look unsent (P1)."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from tests.fakes.ledger import FakeLedger
from tests.unit.application.worker_over_fakes import CARD, TOPIC, WorkerOverFakes, payment
from worker.application.ports import LedgerDataError
from worker.domain.entry import Entry
from worker.domain.states import Event, State


def a_worker() -> WorkerOverFakes:
    """A worker whose card has money."""
    worker = WorkerOverFakes()
    worker.paywizard.issue(CARD, {"USD": 100})
    return worker


async def failed(worker: WorkerOverFakes) -> BaseException | None:
    """Wait until the process knows that it has to end."""
    await asyncio.wait([worker.dispatcher.failed])
    return worker.dispatcher.failed.exception()


async def test_an_answer_that_cannot_be_written_is_not_asked_for_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The process is on its way out, and the record reaches it once more under a new tenure."""
    worker = a_worker()
    move = FakeLedger.move

    async def refused(self: FakeLedger, entry: Entry, event: Event, *rest: Any) -> Entry:
        if event is Event.APPROVED:
            raise LedgerDataError
        return await move(self, entry, event, *rest)

    monkeypatch.setattr(FakeLedger, "move", refused)
    record = worker.send(payment())
    assert isinstance(await failed(worker), LedgerDataError)
    monkeypatch.setattr(FakeLedger, "move", move)
    claims = worker.claims("watch")
    worker.dispatcher.end_tenure(TOPIC, 0)
    worker.dispatcher.receive([replace(record, tenure=2)])
    while worker.claims("watch") == claims:
        assert worker.state_of("T-1") is State.SUBMITTED
        await asyncio.sleep(0.001)
    assert len(worker.paywizard.requests) == 1
    worker.dispatcher.end_tenure(TOPIC, 0)
    await worker.stop()


async def test_a_record_that_fails_leaves_its_neighbours_calls_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The answer of a call that is open still reaches the ledger, and its outcome is not lost."""
    worker = a_worker()
    claim = FakeLedger.claim

    async def failing(self: FakeLedger, entry: Entry, **options: Any) -> tuple[Entry, bool]:
        if entry.tran_order_no == "T-2":
            raise RuntimeError("unforeseen")
        return await claim(self, entry, **options)

    monkeypatch.setattr(FakeLedger, "claim", failing)
    worker.paywizard.answering.clear()
    worker.send(payment())
    await worker.paywizard.wait_for_requests(1)
    worker.send(payment("T-2", accountId="600000000000002"))
    assert isinstance(await failed(worker), RuntimeError)
    assert worker.state_of("T-1") is State.SUBMITTED
    worker.paywizard.answering.set()
    assert await worker.dispatcher.drain(10)
    assert worker.state_of("T-1") is State.SUCCEEDED
