"""Order: one command of a card at a time, and completion in offset order."""

from dataclasses import replace

from tests.unit.application.worker_over_fakes import (
    CARD,
    CHANNEL,
    CLIENT,
    WorkerOverFakes,
    command_bytes,
    payment,
)
from worker.domain.card import Card
from worker.domain.states import State

OTHER_CARD = Card(CLIENT, CHANNEL, "600000000000002")


async def test_one_card_takes_its_turns_in_order(worker: WorkerOverFakes) -> None:
    """P6: the second command of a card is not asked before the first is decided."""
    worker.paywizard.issue(CARD, {"USD": 100})
    worker.paywizard.answering.clear()
    for number in range(5):
        worker.send(payment(f"T-{number}"))
    await worker.paywizard.wait_for_requests(1)
    assert list(worker.store.entries) == [(CLIENT, "T-0")]
    worker.paywizard.answering.set()
    await worker.until(lambda: len(worker.kafka.committed) == 5)
    asked = [effect.tran_order_no for effect in worker.paywizard.effects]
    assert asked == [f"T-{number}" for number in range(5)]


async def test_different_cards_do_not_wait_for_each_other(worker: WorkerOverFakes) -> None:
    """Two cards in one partition are asked about at the same time."""
    worker.paywizard.answering.clear()
    worker.send(payment("T-1"))
    worker.send(payment("T-2", accountId=OTHER_CARD.account_id))
    await worker.paywizard.wait_for_requests(2)
    assert {worker.state_of("T-1"), worker.state_of("T-2")} == {State.SUBMITTED}


async def test_a_slow_order_does_not_hold_back_what_stands_behind_it(
    worker: WorkerOverFakes,
) -> None:
    """Records complete in any order; the offset map knows which are."""
    worker.paywizard.answering.clear()
    slow = worker.send(payment("T-1"))
    behind = worker.send(b"no Avro at all")
    await worker.until(lambda: worker.kafka.committed == [behind])
    worker.paywizard.answering.set()
    await worker.until(lambda: worker.kafka.committed == [behind, slow])


async def test_after_a_tenure_has_ended_nothing_more_of_it_begins(
    worker: WorkerOverFakes,
) -> None:
    """A partition that was lost is its next owner's; open calls still reach the ledger."""
    worker.paywizard.issue(CARD, {"USD": 100})
    worker.paywizard.answering.clear()
    records = [worker.send(payment(f"T-{number}")) for number in range(2)]
    await worker.paywizard.wait_for_requests(1)
    worker.dispatcher.end_tenure(records[0].source.topic, 0)
    worker.paywizard.answering.set()
    await worker.until(lambda: worker.state_of("T-0") is State.SUCCEEDED)
    assert await worker.dispatcher.drain(10)
    assert (CLIENT, "T-1") not in worker.store.entries


async def test_a_returned_partition_waits_for_its_own_open_calls(
    worker: WorkerOverFakes,
) -> None:
    """P6 over a rewind: the card's open call still holds its turn, and is joined, not repeated."""
    worker.paywizard.issue(CARD, {"USD": 100})
    worker.paywizard.answering.clear()
    record = worker.send(payment())
    await worker.paywizard.wait_for_requests(1)
    worker.dispatcher.end_tenure(record.source.topic, 0)
    worker.dispatcher.receive([replace(record, tenure=2)])
    worker.paywizard.answering.set()
    await worker.until(lambda: [each.tenure for each in worker.kafka.committed][-1:] == [2])
    assert len(worker.results()) == 1
    assert len(worker.paywizard.requests) == 1


async def test_draining_finishes_what_is_open_and_begins_nothing(
    worker: WorkerOverFakes,
) -> None:
    """P12: the open call is decided and committed; the one behind it waits for the next start."""
    worker.paywizard.issue(CARD, {"USD": 100})
    worker.paywizard.answering.clear()
    first, second = (worker.send(payment(f"T-{number}")) for number in range(2))
    await worker.paywizard.wait_for_requests(1)
    assert not await worker.dispatcher.drain(0.01)
    worker.paywizard.answering.set()
    assert await worker.dispatcher.drain(10)
    assert worker.kafka.committed == [first]
    assert second not in worker.kafka.handed_over
    assert len(worker.paywizard.requests) == 1


async def test_a_void_takes_its_originals_place_in_line(worker: WorkerOverFakes) -> None:
    """P6: a void names no card; its original's is known, and it waits for that card's turn."""
    worker.paywizard.issue(CARD, {"USD": 100})
    await worker.run(payment("T-0"))
    worker.paywizard.answering.clear()
    worker.send(payment("T-1"))
    worker.send(command_bytes("VoidCommand", "T-2", originalTranOrderNo="T-0"))
    await worker.paywizard.wait_for_requests(2)
    assert (CLIENT, "T-2") not in worker.store.entries
    worker.paywizard.answering.set()
    await worker.until(lambda: len(worker.kafka.committed) == 3)
    assert worker.state_of("T-2") is State.SUCCEEDED
