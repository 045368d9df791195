"""The consumer thread and commit notes: what a new tenure skips, and what it refuses to go on from."""

from dataclasses import replace

import pytest

from tests.unit.adapters.kafka.consuming import Consuming
from tests.unit.adapters.kafka.records import (
    MAP_10_13,
    P0,
    P1,
    TOPIC,
    TOPIC_ID,
    failure_of,
    record,
    until,
    written,
)
from tests.unit.adapters.kafka.scripted_consumer import kafka_record
from worker.adapters.kafka.consumer import TopicRecreatedError
from worker.application.ports import LedgerForeignError, LedgerUnavailableError, Place
from worker.domain.commit_note import FutureNoteError, read_note
from worker.domain.offset_map import BadMapError


def resuming(metadata: str) -> Consuming:
    """Make a worker that gets a partition with offsets 10 to 16, of which 10 is committed."""
    worker = Consuming()
    worker.consumer.log[P0] = [kafka_record(at, P0) for at in range(10, 17)]
    worker.consumer.offsets[P0] = 10
    worker.consumer.metadata[P0] = metadata
    worker.during_a_poll(P0)
    return worker


# What is skipped ────────────────────────────────────────────────────────────────────────────


async def test_what_the_map_tells_to_be_complete_is_skipped_and_the_rest_delivered() -> None:
    """P2 and P3: after a restart or a rebalance nothing is done twice, and nothing is left out."""
    worker = resuming(written(MAP_10_13))
    with worker.running():
        await until(lambda: 16 in worker.offsets())
    assert worker.offsets() == [10, 13, 15, 16]


async def test_complete_runs_are_not_even_read() -> None:
    """A start seeks from one incomplete offset to the next."""
    worker = resuming(written(MAP_10_13))
    worker.consumer.records_per_poll = 1
    with worker.running():
        await until(lambda: 16 in worker.offsets())
    assert worker.consumer.returned == [10, 13, 15, 16]


async def test_what_the_map_awaits_may_be_gone_from_the_log() -> None:
    """Compaction and retention: the partition goes on all the same, and commits past it."""
    worker = resuming(written(MAP_10_13))
    del worker.consumer.log[P0][3]
    with worker.running():
        await until(lambda: 16 in worker.offsets())
        for each in worker.application.records:
            _ = worker.bridge.complete(each, [])
        completions = [worker.bridge.completions.get() for _ in range(3)]
        points = worker.bridge.take(completions)[1]
    assert worker.offsets() == [10, 15, 16]
    assert points[P0].offset == 17


async def test_after_an_unproven_commit_the_map_is_read_anew() -> None:
    """Rule 4: it may have been committed after all, and then nothing of it comes again."""
    worker = resuming("")
    with worker.running():
        await until(lambda: len(worker.offsets()) == 7)
        worker.bridge.end_all_tenures()
        worker.consumer.metadata[P0] = written(MAP_10_13)
        worker.bridge.allow_tenures()
        await until(lambda: worker.offsets().count(16) == 2)
    assert worker.offsets()[7:] == [10, 13, 15, 16]


@pytest.mark.parametrize(
    "metadata",
    [
        "",
        "reset by hand",
        "1;too;few",
        "x;ledger-id;owner;7;topic-id;5.3",
        "1;l;o;-7;topic-id;5.3",
    ],
)
async def test_after_foreign_metadata_nothing_is_known_above_the_offset(metadata: str) -> None:
    """An operator has set the offset with a tool: everything from there is delivered."""
    worker = resuming(metadata)
    with worker.running():
        await until(lambda: 16 in worker.offsets())
        assert worker.bridge.place_of(record(9, 1).source) is Place.GONE
    assert worker.offsets() == list(range(10, 17))
    assert worker.checked == []


async def test_what_was_gone_before_anything_was_committed_is_not_complete() -> None:
    """The log has lost it: an outcome of it that is in the ledger was never published."""
    worker = Consuming()
    worker.during_a_poll(P0)
    with worker.running():
        await until(lambda: worker.offsets() == [10, 11, 12])
        assert worker.bridge.place_of(record(9, 1).source) is Place.GONE


async def test_what_was_passed_over_stays_unknown_to_the_tenures_that_follow() -> None:
    """P3: the offsets were moved past outcomes that were never published; a note of ours hides none."""
    worker = resuming(written(MAP_10_13, since=8))
    with worker.running():
        await until(lambda: 16 in worker.offsets())
        places = [worker.bridge.place_of(record(at, 1).source) for at in (7, 8)]
    assert places == [Place.GONE, Place.COMPLETE]
    assert [worker.application.completed_before(at) for at in (7, 8)] == [False, True]


async def test_a_topic_that_was_made_anew_is_read_from_its_beginning() -> None:
    """P3: the committed offset is the old topic's; of the new one nothing is done."""
    worker = resuming(written(MAP_10_13, "of-old"))
    worker.consumer.offsets[P0] = 14
    with worker.running():
        await until(lambda: 16 in worker.offsets())
    assert worker.offsets() == list(range(10, 17))
    assert worker.checked == []


# What is refused ────────────────────────────────────────────────────────────────────────────


async def test_the_ledger_is_asked_about_each_note() -> None:
    """P9: also about one that another worker wrote while this one ran."""
    metadata = written(MAP_10_13)
    worker = resuming(metadata)
    worker.consumer.offsets[P1] = 12
    worker.consumer.metadata[P1] = metadata.replace("owner", "another")
    with worker.running():
        await until(lambda: worker.holds(P0))
        worker.during_a_poll(P1)
        await until(lambda: worker.holds(P0, P1))
    first = read_note(metadata)
    assert first is not None
    assert worker.checked == [first, replace(first, owner="another")]


async def test_a_note_that_the_ledger_refuses_ends_the_worker() -> None:
    """P9: a ledger that lost commits would let executed commands execute again."""
    worker = resuming(written(MAP_10_13))
    worker.refusal = LedgerForeignError("Another ledger.")
    with worker.running():
        with pytest.raises(LedgerForeignError):
            await failure_of(worker.bridge)
        await until(lambda: not worker.thread.is_alive())
    assert worker.application.heard == []
    assert worker.consumer.closed


async def test_a_ledger_that_cannot_be_asked_just_now_is_waited_for() -> None:
    """P8: nothing of the partition is done before, and the others go on."""
    worker = resuming(written(MAP_10_13))
    worker.refusal = LedgerUnavailableError()
    with worker.running():
        await until(lambda: len(worker.checked) > 1)
        worker.during_a_poll(P1)
        await until(lambda: len(worker.offsets(P1)) == 3)
        assert worker.holds(P1)
        worker.refusal = None
        await until(lambda: 16 in worker.offsets())
    assert worker.offsets() == [10, 13, 15, 16]


async def test_a_note_of_a_newer_release_ends_the_worker() -> None:
    """It may well say what is complete: to ignore it would be to do that again."""
    worker = resuming("3;whatever;it;may;say")
    with worker.running(), pytest.raises(FutureNoteError, match="newer release"):
        await failure_of(worker.bridge)
    assert worker.application.heard == []


async def test_a_broken_map_in_a_note_of_ours_ends_the_worker() -> None:
    """It is neither foreign nor to be guessed at."""
    worker = resuming(written("5.9"))
    with worker.running(), pytest.raises(BadMapError):
        await failure_of(worker.bridge)
    assert worker.application.heard == []


async def test_a_topic_that_is_made_anew_under_a_running_worker_ends_it() -> None:
    """Its records would be taken for others of the same offsets."""
    worker = resuming("")
    with worker.running():
        await until(lambda: 16 in worker.offsets())

        def be_made_anew() -> None:
            worker.consumer.topic_ids[TOPIC] = "anew"
            worker.consumer.log[P0].append(kafka_record(17, P0))

        worker.consumer.todo.put(be_made_anew)
        with pytest.raises(TopicRecreatedError, match=TOPIC):
            await failure_of(worker.bridge)
    assert worker.offsets() == list(range(10, 17))


async def test_a_topic_whose_id_is_not_known_for_a_while_is_still_the_same() -> None:
    """Metadata come and go with the brokers."""
    worker = resuming("")
    with worker.running():
        await until(lambda: 16 in worker.offsets())
        worker.consumer.topic_ids.clear()
        await worker.some_polls()
        worker.consumer.topic_ids[TOPIC] = TOPIC_ID
        worker.consumer.log[P0].append(kafka_record(17, P0))
        await until(lambda: 17 in worker.offsets())
    assert not worker.bridge.failed.done()


async def test_records_of_a_topic_made_anew_before_the_start_are_gone() -> None:
    """The ledger's entries still name them: nobody else may wait for them for ever."""
    worker = resuming("")
    old = replace(record(10, 1).source, topic_id="of-old")
    with worker.running():
        await until(lambda: worker.bridge.place_of(old) is Place.GONE)
        await until(lambda: worker.bridge.place_of(record(10, 1).source) is Place.OPEN)
