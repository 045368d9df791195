"""Claim and submission in one move, where nothing stands between them."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from typing_extensions import override

from tests.fakes.gateway import FakePayWizard
from tests.fakes.ledger import FakeLedger
from tests.unit.application.worker_over_fakes import (
    CARD,
    CLIENT,
    WorkerOverFakes,
    command_bytes,
    payment,
)
from worker.application.ports import LedgerUnavailableError
from worker.domain.card import Card
from worker.domain.entry import Entry
from worker.domain.states import State

OTHER = Card(CARD.client_id, CARD.loyalty_channel, "600000000000002")


def a_worker(concurrency_max: int = 8) -> WorkerOverFakes:
    """A worker whose two cards have money."""
    worker = WorkerOverFakes(paywizard=FakePayWizard(concurrency_max=concurrency_max))
    for card in (CARD, OTHER):
        worker.paywizard.issue(card, {"USD": 100})
    return worker


def writes(worker: WorkerOverFakes) -> int:
    """How often the process has written to its ledger."""
    return worker.store.writers.get(worker.owner, 0)


async def test_before_paywizard_is_asked_the_ledger_is_written_once() -> None:
    """It holds the number as SUBMITTED, with its first attempt."""
    worker = a_worker()
    worker.paywizard.answering.clear()
    worker.send(payment())
    await worker.paywizard.wait_for_requests(1)
    entry = worker.store.entries[CLIENT, "T-1"]
    assert (entry.state, entry.attempts, writes(worker)) == (State.SUBMITTED, 1, 1)
    await worker.stop()


async def test_a_command_that_waits_for_a_slot_has_its_number_meanwhile() -> None:
    """Where something stands between, nobody else may take the number, and nothing is submitted."""
    worker = a_worker(concurrency_max=1)
    worker.paywizard.answering.clear()
    worker.send(payment("T-1"))
    await worker.paywizard.wait_for_requests(1)
    worker.send(payment("T-2", accountId=OTHER.account_id))
    await worker.until(lambda: (CLIENT, "T-2") in worker.store.entries)
    assert worker.state_of("T-2") is State.CLAIMED
    worker.paywizard.answering.set()
    await worker.until(lambda: len(worker.paywizard.effects) == 2)


async def test_what_comes_in_a_burst_has_its_numbers_while_it_waits_for_the_slot() -> None:
    """The slot looked free to all of them: a void of one that waits finds it undecided, not unknown."""
    worker = a_worker(concurrency_max=1)
    cards = [replace(CARD, account_id=f"6000000000{number:05d}") for number in range(20)]
    for card in cards:
        worker.paywizard.issue(card, {"USD": 100})
    worker.paywizard.answering.clear()
    worker.dispatcher.receive(
        [
            worker.record(payment(f"T-{number}", accountId=card.account_id))
            for number, card in enumerate(cards)
        ]
    )
    await worker.until(lambda: len(worker.store.entries) == len(cards))
    assert len(worker.paywizard.requests) == 1
    worker.paywizard.answering.set()
    await worker.until(lambda: len(worker.paywizard.effects) == len(cards))


async def test_a_move_whose_answer_was_lost_is_known_as_our_own_and_sent_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is durable, but PayWizard was never called: proven unsent."""
    worker = a_worker()
    claim = FakeLedger.claim

    async def unheard(self: FakeLedger, entry: Entry, **options: Any) -> tuple[Entry, bool]:
        await claim(self, entry, **options)
        monkeypatch.setattr(FakeLedger, "claim", claim)
        raise LedgerUnavailableError

    monkeypatch.setattr(FakeLedger, "claim", unheard)
    await worker.run(payment())
    (result,) = worker.results()
    assert (result["status"], len(worker.paywizard.requests)) == ("SUCCEEDED", 1)
    assert worker.claims("own_lost") == 1


async def test_the_number_is_counted_as_new_once_however_it_was_claimed() -> None:
    """Operators read from it how many commands are first of their number."""
    worker = a_worker()
    await worker.run(payment("T-1"))
    await worker.run(payment("T-1"), partition=1)
    await worker.run(payment("T-2"))
    assert (worker.claims("new"), worker.claims("duplicate")) == (2, 1)


async def test_what_is_refused_here_is_never_submitted() -> None:
    """Not for a moment: a crash then would leave a doubt about something that was never sent."""
    worker = a_worker()
    seen: list[State] = []

    class Watched(dict[tuple[str, str], Entry]):
        @override
        def __setitem__(self, key: tuple[str, str], entry: Entry) -> None:
            seen.append(entry.state)
            super().__setitem__(key, entry)

    worker.store.entries = Watched()
    await worker.run(payment(amount=Decimal("-1.00")))
    assert set(seen) == {State.CLAIMED, State.NOT_EXECUTED}


async def test_a_void_holds_its_original_before_it_is_sent() -> None:
    """P1: one move cannot do that, so a void is claimed first."""
    worker = a_worker()
    await worker.run(payment("T-1"))
    original = worker.store.entries[CLIENT, "T-1"].checkout_id
    worker.paywizard.answering.clear()
    worker.send(command_bytes("VoidCommand", "T-2", originalTranOrderNo="T-1"))
    await worker.paywizard.wait_for_requests(2)
    entry = worker.store.entries[CLIENT, "T-2"]
    assert (entry.state, entry.takes) == (State.SUBMITTED, original)
    await worker.stop()
