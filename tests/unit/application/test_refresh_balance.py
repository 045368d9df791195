"""Balance refreshes: gapless events, the same again for the same record, never a guess."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from tests.unit.application.worker_over_fakes import (
    CARD,
    REFRESH_TOPIC,
    WorkerOverFakes,
    command_bytes,
    payment,
)
from worker.adapters.avro.frames import decode_frame
from worker.application.ports import OutputTopic
from worker.domain.replies import Answer, Doubt, NoAnswer, NotSent, NotSentCause, Refused


def events(worker: WorkerOverFakes) -> list[dict[str, Any]]:
    """The committed balance changes, decoded."""
    published = worker.kafka.of(OutputTopic.BALANCE_CHANGES)
    return [decode_frame(output.value).fields for output in published]


async def refreshed(worker: WorkerOverFakes, tran_order_no: str) -> bytes:
    """Pay, and return the refresh that the payment asked for."""
    await worker.run(payment(tran_order_no))
    value = worker.kafka.of(OutputTopic.BALANCE_REFRESH)[-1].value
    assert value is not None
    return value


@pytest.fixture(autouse=True)
def card(worker: WorkerOverFakes) -> None:
    """A card with money."""
    worker.paywizard.issue(CARD, {"USD": 100})


async def test_events_are_numbered_and_follow_each_other(worker: WorkerOverFakes) -> None:
    """P7: before and after fit together, and the cause is named."""
    for number in range(3):
        value = await refreshed(worker, f"T-{number}")
        await worker.run(value, topic=REFRESH_TOPIC)
    seen = events(worker)
    assert [event["sequence"] for event in seen] == [1, 2, 3]
    assert [event["causes"] for event in seen] == [
        [{"tranOrderNo": f"T-{number}"}] for number in range(3)
    ]
    changes = [event["changes"][0] for event in seen]
    assert [change["before"] for change in changes] == [
        None,
        Decimal("89.5"),
        Decimal(79),
    ]


async def test_a_redelivered_refresh_gives_the_same_event(worker: WorkerOverFakes) -> None:
    """P7: it was recorded but not committed; a new inquiry would be another event."""
    worker.kafka.committing = False
    value = await worker_paying(worker, "T-0")
    record = worker.send(value, topic=REFRESH_TOPIC)
    await worker.until(lambda: record in worker.kafka.handed_over)
    worker.kafka.settle(committed=False)
    worker.kafka.committing = True
    worker.paywizard.issue(CARD, {"USD": 1})
    worker.dispatcher.receive([replace(record, tenure=2)])
    await worker.until(lambda: events(worker))
    assert [event["sequence"] for event in events(worker)] == [1]
    assert events(worker)[0]["balances"][0]["amount"] == Decimal(100)


async def worker_paying(worker: WorkerOverFakes, tran_order_no: str) -> bytes:
    """The refresh that an inquiry would ask for, without committing anything."""
    other = WorkerOverFakes(paywizard=worker.paywizard)
    await other.run(command_bytes("InquiryCommand", tran_order_no))
    value = other.kafka.of(OutputTopic.BALANCE_REFRESH)[0].value
    await other.stop()
    assert value is not None
    return value


async def test_the_next_refresh_waits_for_the_commit_of_the_one_before(
    worker: WorkerOverFakes,
) -> None:
    """P7: only a card's last event can be given again, so the last must be committed first."""
    value = await refreshed(worker, "T-0")
    await worker.run(payment("T-1"))
    worker.kafka.committing = False
    asked = len(worker.paywizard.requests)
    first, second = (worker.send(value, topic=REFRESH_TOPIC) for _ in range(2))
    await worker.until(lambda: first in worker.kafka.handed_over)
    assert len(worker.paywizard.requests) == asked + 1
    worker.kafka.committing = True
    worker.kafka.settle(committed=True)
    await worker.until(lambda: second in worker.kafka.committed)
    assert len(worker.paywizard.requests) == asked + 2


async def test_nothing_changed_is_no_event(worker: WorkerOverFakes) -> None:
    """A sequence number is used only for a change."""
    value = await refreshed(worker, "T-0")
    await worker.run(value, topic=REFRESH_TOPIC)
    await worker.run(value, topic=REFRESH_TOPIC)
    assert len(events(worker)) == 1


@pytest.mark.parametrize(
    "replies", [[Refused(Answer(http_status=404))], [NoAnswer(Doubt.TIMEOUT)] * 5]
)
async def test_an_unreadable_card_ends_without_an_event(
    worker: WorkerOverFakes, replies: list[Refused | NoAnswer]
) -> None:
    """Nothing is published that was not seen, and the stream goes on."""
    value = await refreshed(worker, "T-0")
    worker.paywizard.will(*replies, about=CARD)
    await worker.run(value, topic=REFRESH_TOPIC)
    assert events(worker) == []
    await worker.run(value, topic=REFRESH_TOPIC)
    assert len(events(worker)) == 1


async def test_an_inquiry_is_repeated_until_it_is_answered(worker: WorkerOverFakes) -> None:
    """It moves nothing, so it may be asked again; what never left does not count."""
    value = await refreshed(worker, "T-0")
    worker.paywizard.will(
        *[NotSent(NotSentCause.CONNECT)] * 7, *[NoAnswer(Doubt.TIMEOUT)] * 4, about=CARD
    )
    await worker.run(value, topic=REFRESH_TOPIC)
    assert len(events(worker)) == 1


async def test_an_inquiry_command_is_never_in_doubt(worker: WorkerOverFakes) -> None:
    """Five times without an answer it is NOT_EXECUTED: nothing can have moved."""
    worker.paywizard.will(*[NoAnswer(Doubt.TIMEOUT)] * 5, about=CARD)
    await worker.run(command_bytes("InquiryCommand"))
    result = worker.results()[0]
    assert (result["status"], result["reason"]) == ("NOT_EXECUTED", "NO_ANSWER")


async def test_an_inquiry_command_answers_and_refreshes(worker: WorkerOverFakes) -> None:
    """Whoever asks gets the balances, and subscribers hear of a change."""
    await worker.run(command_bytes("InquiryCommand"))
    result = worker.results()[0]
    assert result["balances"][0]["amount"] == Decimal(100)
    assert len(worker.kafka.of(OutputTopic.BALANCE_REFRESH)) == 1
