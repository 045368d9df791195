"""Balance refreshes: gapless events, the same again for the same record, never a guess."""

import asyncio
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
from worker.application.ports import OutputTopic, Place
from worker.domain.replies import Answer, Doubt, NoAnswer, NotSent, NotSentCause, Refused


def events(worker: WorkerOverFakes) -> list[dict[str, Any]]:
    """The committed balance changes, decoded."""
    published = worker.kafka.of(OutputTopic.BALANCE_CHANGES)
    return [decode_frame(output.value).fields for output in published]


async def refreshed(worker: WorkerOverFakes, tran_order_no: str, **fields: Any) -> bytes:
    """Pay, and return the refresh that the payment asked for."""
    await worker.run(payment(tran_order_no, **fields))
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
    worker.kafka.committing = False
    asked = len(worker.paywizard.requests)
    first = worker.send(value, topic=REFRESH_TOPIC)
    await worker.until(lambda: first in worker.kafka.handed_over)
    second = worker.send(value, topic=REFRESH_TOPIC)
    await asyncio.sleep(0.05)
    assert len(worker.paywizard.requests) == asked + 1
    worker.kafka.committing = True
    worker.kafka.settle(committed=True)
    await worker.until(lambda: second in worker.kafka.committed)
    assert len(worker.paywizard.requests) == asked + 2


# ── Together ────────────────────────────────────────────────────────────────────────────────


async def refreshes(worker: WorkerOverFakes, count: int) -> list[bytes]:
    """Pay so many times, and return the refreshes that this asked for."""
    return [await refreshed(worker, f"T-{number}") for number in range(count)]


async def test_refreshes_that_wait_together_are_served_by_one_look(
    worker: WorkerOverFakes,
) -> None:
    """One inquiry, one event of the first with every cause; the others complete in silence."""
    values = await refreshes(worker, 3)
    asked = len(worker.paywizard.requests)
    records = [worker.send(value, topic=REFRESH_TOPIC) for value in values]
    await worker.until(lambda: all(record in worker.kafka.committed for record in records))
    assert len(worker.paywizard.requests) == asked + 1
    (event,) = events(worker)
    assert event["causes"] == [{"tranOrderNo": f"T-{number}"} for number in range(3)]
    assert [record.source.offset for record in worker.kafka.committed[-3:]] == [0, 1, 2]


async def test_another_cards_refreshes_are_not_served_along(worker: WorkerOverFakes) -> None:
    """Each card is looked at for itself."""
    other = replace(CARD, account_id="600000000000002")
    worker.paywizard.issue(other, {"USD": 50})
    values = [
        await refreshed(worker, "T-0"),
        await refreshed(worker, "T-1", accountId=other.account_id),
    ]
    records = [worker.send(value, topic=REFRESH_TOPIC) for value in values]
    await worker.until(lambda: all(record in worker.kafka.committed for record in records))
    told = {event["accountId"]: event["causes"] for event in events(worker)}
    assert told == {
        CARD.account_id: [{"tranOrderNo": "T-0"}],
        other.account_id: [{"tranOrderNo": "T-1"}],
    }


async def test_merged_refreshes_give_the_same_event_again(worker: WorkerOverFakes) -> None:
    """P7: redelivered one by one, the first tells of all, and those in its range of nothing."""
    values = await refreshes(worker, 3)
    worker.kafka.committing = False
    records = [worker.send(value, topic=REFRESH_TOPIC) for value in values]
    await worker.until(lambda: records[0] in worker.kafka.handed_over)
    worker.dispatcher.end_tenure(REFRESH_TOPIC, 0)
    worker.kafka.settle(committed=False)
    worker.kafka.committing = True
    asked = len(worker.paywizard.requests)
    worker.paywizard.issue(CARD, {"USD": 1})
    for record in records:
        await worker.again(record)
    assert len(worker.paywizard.requests) == asked
    (event,) = events(worker)
    assert [cause["tranOrderNo"] for cause in event["causes"]] == ["T-0", "T-1", "T-2"]


# ── Two processes, and records that are gone ────────────────────────────────────────────────


async def test_who_was_stopped_records_nothing_for_a_refresh_that_is_complete(
    worker: WorkerOverFakes,
) -> None:
    """P7: its Kafka transaction would be refused, and the event be nobody's."""
    value = await refreshed(worker, "T-0")
    worker.paywizard.answering.clear()
    record = worker.send(value, topic=REFRESH_TOPIC)
    await worker.until(lambda: CARD in worker.paywizard.requests)
    other = WorkerOverFakes(store=worker.store, owner="process-2")
    other.kafka.published, other.kafka.committed = worker.kafka.published, []
    await other.run(value, topic=REFRESH_TOPIC)  # no such card there: nothing to tell
    worker.paywizard.answering.set()
    await worker.until(lambda: record in worker.kafka.handed_over)
    assert events(worker) == []
    assert worker.store.cards[CARD].last is None
    await other.stop()


async def test_an_event_whose_record_is_gone_is_published_by_the_next_refresh(
    worker: WorkerOverFakes,
) -> None:
    """P7: first the event that nobody published, with its own number; then the card is looked at."""
    lost = await worker.lose_commit(await refreshed(worker, "T-0"), topic=REFRESH_TOPIC)
    worker.kafka.places[lost.source] = Place.GONE
    worker.tenure += 1
    value = await refreshed(worker, "T-1")
    await worker.run(value, topic=REFRESH_TOPIC)
    assert [event["sequence"] for event in events(worker)] == [1]
    assert events(worker)[0]["causes"] == [{"tranOrderNo": "T-0"}]
    await worker.stale_cards.once()
    owed = worker.kafka.of(OutputTopic.BALANCE_REFRESH)[-1].value
    await worker.run(owed, topic=REFRESH_TOPIC)
    assert [event["sequence"] for event in events(worker)] == [1, 2]
    assert events(worker)[1]["causes"] == [{"tranOrderNo": "T-1"}]


async def test_a_published_event_is_not_published_again_when_its_record_is_gone(
    worker: WorkerOverFakes,
) -> None:
    """The mark says that it was."""
    first = await worker.run(await refreshed(worker, "T-0"), topic=REFRESH_TOPIC)
    await worker.until(lambda: worker.store.cards[CARD].published)
    worker.kafka.places[first.source] = Place.GONE
    await worker.run(await refreshed(worker, "T-1"), topic=REFRESH_TOPIC)
    assert [event["sequence"] for event in events(worker)] == [1, 2]


async def test_a_recreated_topic_does_not_stop_a_card(worker: WorkerOverFakes) -> None:
    """What an earlier topic of the name left unpublished is published, and its offsets count no more."""
    lost = await worker.lose_commit(await refreshed(worker, "T-0"), topic=REFRESH_TOPIC)
    state = worker.store.cards[CARD]
    old = replace(lost.source, topic_id="deleted", offset=900)
    assert state.last is not None
    worker.store.cards[CARD] = replace(state, last=replace(state.last, source=old), covered=old)
    worker.tenure += 1
    await worker.run(await refreshed(worker, "T-1"), topic=REFRESH_TOPIC)
    assert [event["sequence"] for event in events(worker)] == [1]


async def test_the_next_refresh_waits_while_the_last_events_record_is_open(
    worker: WorkerOverFakes,
) -> None:
    """Who publishes that one may still be at it."""
    lost = await worker.lose_commit(await refreshed(worker, "T-0"), topic=REFRESH_TOPIC)
    worker.kafka.places[lost.source] = Place.OPEN
    worker.tenure += 1
    asked = len(worker.paywizard.requests)
    record = worker.send(await refreshed(worker, "T-1"), topic=REFRESH_TOPIC)
    await asyncio.sleep(0.05)
    assert len(worker.paywizard.requests) == asked + 1, "the payment, and no look"
    worker.kafka.places[lost.source] = Place.COMPLETE
    await worker.until(lambda: record in worker.kafka.committed)
    assert [event["sequence"] for event in events(worker)] == [2]


async def test_an_event_is_marked_once_its_commit_is_proven(worker: WorkerOverFakes) -> None:
    """Marked like outcomes: after the commit, or at the next assignment by the offset map."""
    lost = await worker.lose_commit(await refreshed(worker, "T-0"), topic=REFRESH_TOPIC)
    assert not worker.store.cards[CARD].published
    worker.dispatcher.begin_tenure(lost.source.topic_id, 0, lambda _: False)
    await asyncio.sleep(0.05)
    assert not worker.store.cards[CARD].published
    worker.dispatcher.begin_tenure(lost.source.topic_id, 0, lambda _: True)
    await worker.until(lambda: worker.store.cards[CARD].published)


# ── What was seen ───────────────────────────────────────────────────────────────────────────


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


# ── Without an answer ───────────────────────────────────────────────────────────────────────


async def unread(worker: WorkerOverFakes, *numbers: str) -> None:
    """Pay, and have each look at the card fail five times."""
    for number in numbers:
        value = await refreshed(worker, number)
        worker.paywizard.will(*[NoAnswer(Doubt.TIMEOUT)] * 5, about=CARD)
        await worker.run(value, topic=REFRESH_TOPIC)


async def test_a_card_that_could_not_be_read_is_looked_at_again(
    worker: WorkerOverFakes,
) -> None:
    """The due task writes its next refresh, and that one's event names what was not told."""
    await unread(worker, "T-0", "T-1")
    assert worker.looks("no_answer") == 2
    before = len(worker.kafka.of(OutputTopic.BALANCE_REFRESH))
    await worker.stale_cards.once()
    assert len(worker.kafka.of(OutputTopic.BALANCE_REFRESH)) == before, "not due yet"
    worker.store.advance(31)
    await worker.stale_cards.once()
    owed = worker.kafka.of(OutputTopic.BALANCE_REFRESH)[before:]
    assert len(owed) == 1
    await worker.run(owed[0].value, topic=REFRESH_TOPIC)
    (event,) = events(worker)
    assert event["causes"] == [{"tranOrderNo": "T-0"}, {"tranOrderNo": "T-1"}]
    worker.store.advance(7200)
    await worker.stale_cards.once()
    assert len(worker.kafka.of(OutputTopic.BALANCE_REFRESH)) == before + 1


async def test_the_next_looks_come_later_and_later(worker: WorkerOverFakes) -> None:
    """A card that stays unreadable costs less and less."""
    await unread(worker, "T-0")
    written = []
    for seconds in range(0, 7200, 10):
        before = len(worker.kafka.of(OutputTopic.BALANCE_REFRESH))
        await worker.stale_cards.once()
        if len(worker.kafka.of(OutputTopic.BALANCE_REFRESH)) > before:
            written.append(seconds)
        worker.store.advance(10)
    assert written == [30, 90, 210, 450, 930, 1890, 3810]


async def test_any_refresh_ends_what_is_owed(worker: WorkerOverFakes) -> None:
    """The next payment's look tells of the earlier ones too."""
    await unread(worker, "T-0")
    await worker.run(await refreshed(worker, "T-1"), topic=REFRESH_TOPIC)
    (event,) = events(worker)
    assert event["causes"] == [{"tranOrderNo": "T-0"}, {"tranOrderNo": "T-1"}]
    assert worker.store.cards[CARD].stale is None


async def test_a_redelivered_refresh_without_an_answer_is_complete(
    worker: WorkerOverFakes,
) -> None:
    """Its look is owed already."""
    value = await refreshed(worker, "T-0")
    worker.paywizard.will(*[NoAnswer(Doubt.TIMEOUT)] * 5, about=CARD)
    lost = await worker.lose_commit(value, topic=REFRESH_TOPIC)
    asked = len(worker.paywizard.requests)
    await worker.again(lost)
    assert len(worker.paywizard.requests) == asked
    assert worker.store.cards[CARD].stale is not None


async def test_a_refused_token_is_no_unknown_card(worker: WorkerOverFakes) -> None:
    """The circuit is waited for; a token that stays refused leaves the look owed."""
    refused = Refused(Answer(http_status=401))
    value = await refreshed(worker, "T-0")
    worker.paywizard.will(refused, Refused(Answer(http_status=404)), about=CARD)
    await worker.run(value, topic=REFRESH_TOPIC)
    assert worker.looks("card_unknown") == 1
    worker.paywizard.will(*[refused] * 4, about=CARD)
    await worker.run(value, topic=REFRESH_TOPIC)
    assert len(events(worker)) == 1
    value = await refreshed(worker, "T-1")
    worker.paywizard.will(*[refused] * 5, about=CARD)
    await worker.run(value, topic=REFRESH_TOPIC)
    assert worker.looks("no_answer") == 1
    assert worker.looks("card_unknown") == 1


# ── Switched off ────────────────────────────────────────────────────────────────────────────


async def test_who_does_not_want_the_extra_call_gets_none() -> None:
    """BALANCE_REFRESH off: payments ask for nothing; whoever inquires still has the card told."""
    worker = WorkerOverFakes(balance_refresh=False)
    worker.paywizard.issue(CARD, {"USD": 100})
    await worker.run(payment("T-0"))
    assert worker.kafka.of(OutputTopic.BALANCE_REFRESH) == []
    await worker.run(command_bytes("InquiryCommand", "T-1"))
    assert worker.results()[1]["balances"][0]["amount"] == Decimal("89.5")
    (refresh,) = worker.kafka.of(OutputTopic.BALANCE_REFRESH)
    await worker.run(refresh.value, topic=REFRESH_TOPIC)
    assert [event["sequence"] for event in events(worker)] == [1]
    await worker.stop()
