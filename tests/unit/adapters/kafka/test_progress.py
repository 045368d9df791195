"""The bridge's progress: what is committed of a partition, what is skipped, and where a record is."""

from dataclasses import replace

import pytest
from kafka import OffsetAndMetadata

from tests.unit.adapters.kafka.records import (
    MAP_10_13,
    P0,
    P1,
    TOPIC,
    TOPIC_ID,
    committed_by,
    complete,
    handed_over,
    hold,
    listening,
    note,
    record,
    until_told,
    written,
)
from worker.adapters.kafka import bridge as bridge_module
from worker.adapters.kafka.bridge import Bridge
from worker.application.ports import Place
from worker.domain.commit_note import CHARACTERS_MAX, read_note
from worker.domain.offset_map import OffsetMap

# Progress ───────────────────────────────────────────────────────────────────────────────────


async def test_what_completes_out_of_order_is_committed_as_a_map() -> None:
    """P3: the offset is that of the lowest incomplete record; the text tells what to skip."""
    bridge = Bridge(note)
    listening(bridge)
    tenure, other = hold(bridge, P0, 10), hold(bridge, P1, 5)
    bridge.deliver(P0, [record(at, tenure) for at in (10, 11, 12, 13, 17)])
    bridge.deliver(P1, [record(5, other, P1)])
    points = complete(bridge, record(11, tenure), record(13, tenure), record(5, other, P1))
    assert committed_by(points[P0]) == (10, {10, 12})
    assert committed_by(points[P1]) == (6, set())
    points = complete(bridge, record(10, tenure))
    assert committed_by(points[P0]) == (12, {12})
    points = complete(bridge, record(12, tenure), record(17, tenure))
    assert committed_by(points[P0]) == (18, set())


async def test_a_note_names_its_topic_by_id() -> None:
    """Another topic of the same name has other records at these offsets."""
    bridge = Bridge(note)
    listening(bridge)
    tenure = hold(bridge, P0)
    bridge.deliver(P0, [record(0, tenure)])
    points = complete(bridge, record(0, tenure))
    assert points == {P0: OffsetAndMetadata(1, written(""), -1)}


async def test_what_an_earlier_tenure_completed_is_not_delivered_again() -> None:
    """P2 and P3: what it left incomplete is, and so is everything above."""
    bridge = Bridge(note)
    application = listening(bridge)
    tenure = hold(bridge, P0, 10, MAP_10_13)
    bridge.deliver(P0, [record(at, tenure) for at in range(10, 17)])
    await until_told(bridge)
    assert [each.source.offset for each in application.records] == [10, 13, 15, 16]
    points = complete(bridge, record(10, tenure), record(15, tenure))
    assert committed_by(points[P0]) == (13, {13})


async def test_complete_runs_are_not_read_again() -> None:
    """A straggler of an hour must not cost reading that hour again."""
    bridge = Bridge(note)
    listening(bridge)
    tenure = hold(bridge, P0, 10, MAP_10_13)
    assert bridge.deliver(P0, [record(10, tenure)]) == 13
    assert bridge.deliver(P0, [record(13, tenure)]) == 15
    assert bridge.deliver(P0, [record(15, tenure)]) == 16


async def test_records_of_an_ended_tenure_move_no_position() -> None:
    """They come again, from what is committed."""
    bridge = Bridge(note)
    listening(bridge)
    ended = hold(bridge, P0)
    bridge.end_tenures([P0])
    assert bridge.deliver(P0, [record(0, ended)]) is None


async def test_a_map_that_was_given_up_leaves_nothing_behind() -> None:
    """Rule 5: what a discarded Kafka transaction took is delivered and committed again."""
    bridge = Bridge(note)
    application = listening(bridge)
    tenure = hold(bridge, P0)
    bridge.deliver(P0, [record(0, tenure), record(1, tenure)])
    complete(bridge, record(0, tenure))
    bridge.end_all_tenures()
    bridge.allow_tenures()
    again = hold(bridge, P0)
    bridge.deliver(P0, [record(0, again), record(1, again)])
    await until_told(bridge)
    assert [each.source.offset for each in application.records] == [0, 1, 0, 1]
    assert committed_by(complete(bridge, record(1, again))[P0]) == (0, {0})


async def test_a_partition_whose_note_gets_too_long_is_full_until_it_is_shorter(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The broker refuses metadata beyond its limit, and with them the whole Kafka transaction."""
    monkeypatch.setattr(bridge_module, "NOTE_CHARACTERS_MAX", len(written("8.2")))
    bridge = Bridge(note)
    listening(bridge)
    tenure = hold(bridge, P0)
    hold(bridge, P1)
    bridge.deliver(P0, [record(at, tenure) for at in range(8)])
    complete(bridge, record(1, tenure), record(3, tenure))
    assert bridge.full_partitions([P0, P1]) == set()
    complete(bridge, record(5, tenure))
    assert bridge.full_partitions([P0, P1]) == {P0}
    complete(bridge, record(0, tenure))
    assert bridge.full_partitions([P0, P1]) == set()


async def test_a_new_tenure_is_not_full_because_of_the_last_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Else nothing would ever complete there, and it would stand still for good."""
    monkeypatch.setattr(bridge_module, "NOTE_CHARACTERS_MAX", 1)
    bridge = Bridge(note)
    listening(bridge)
    tenure = hold(bridge, P0)
    bridge.deliver(P0, [record(0, tenure), record(1, tenure)])
    complete(bridge, record(1, tenure))
    assert bridge.full_partitions([P0]) == {P0}
    bridge.end_tenures([P0])
    hold(bridge, P0)
    assert bridge.full_partitions([P0]) == set()


async def test_notes_of_all_that_may_be_in_hand_fit_the_broker() -> None:
    """With the limits as they are, even every second record of a full partition incomplete."""
    bridge = Bridge(note)
    listening(bridge)
    tenure = hold(bridge, P0, 10**15)
    first, count = 10**15, 2 * bridge_module.IN_HAND_PER_PARTITION_MAX
    bridge.deliver(P0, [record(first + at, tenure) for at in range(count)])
    odd = [record(first + at, tenure) for at in range(1, count, 2)]
    assert len(complete(bridge, *odd)[P0].metadata) <= CHARACTERS_MAX


# Places ─────────────────────────────────────────────────────────────────────────────────────


async def test_a_record_is_open_until_the_commit_that_completes_it_is_proven() -> None:
    """An outcome taken for published while it is not would be lost."""
    bridge = Bridge(note)
    listening(bridge)
    source = record(0, hold(bridge, P0))
    places = [bridge.place_of(source.source)]
    bridge.deliver(P0, [source])
    places.append(bridge.place_of(source.source))
    _ = bridge.complete(source, [])
    completions = handed_over(bridge)
    bridge.take(completions)
    places.append(bridge.place_of(source.source))
    bridge.settle(completions, committed=True)
    places.append(bridge.place_of(source.source))
    assert places == [Place.OPEN, Place.OPEN, Place.OPEN, Place.COMPLETE]


async def test_a_commit_that_is_not_proven_completes_nothing() -> None:
    """The next tenure reads what it came to."""
    bridge = Bridge(note)
    listening(bridge)
    source = record(0, hold(bridge, P0))
    bridge.deliver(P0, [source])
    _ = bridge.complete(source, [])
    completions = handed_over(bridge)
    bridge.take(completions)
    bridge.end_all_tenures()
    bridge.settle(completions, committed=False)
    places = [bridge.place_of(source.source)]
    hold(bridge, P0)
    places.append(bridge.place_of(source.source))
    assert places == [Place.ELSEWHERE, Place.OPEN]


async def test_the_committed_map_says_what_is_complete() -> None:
    """Below the offset, and above it where the text says so."""
    bridge = Bridge(note)
    listening(bridge)
    hold(bridge, P0, 10, MAP_10_13)
    places = {at: bridge.place_of(record(at, 1).source) for at in range(9, 17)}
    assert {at for at, place in places.items() if place is Place.COMPLETE} == {9, 11, 12, 14}
    assert {at for at, place in places.items() if place is Place.OPEN} == {10, 13, 15, 16}


async def test_a_record_of_a_partition_that_is_not_held_is_elsewhere() -> None:
    """Whoever holds it knows; also while the topic is not known yet."""
    bridge = Bridge(note)
    listening(bridge)
    hold(bridge, P0)
    elsewhere = record(0, 1, P1).source
    places = [bridge.place_of(elsewhere)]
    bridge.see_topics({TOPIC: TOPIC_ID})
    places += [bridge.place_of(elsewhere), bridge.place_of(record(0, 1).source)]
    assert places == [Place.ELSEWHERE, Place.ELSEWHERE, Place.OPEN]


async def test_a_record_of_a_topic_that_was_made_anew_is_gone() -> None:
    """Nobody will ever deliver it again, although the topic's name and the offset exist."""
    bridge = Bridge(note)
    listening(bridge)
    hold(bridge, P0)
    gone = replace(record(0, 1).source, topic_id="of-old")
    foreign = replace(record(0, 1).source, topic="another", topic_id="of-old")
    assert bridge.place_of(gone) is Place.ELSEWHERE  # the ids are not known yet
    bridge.see_topics({TOPIC: TOPIC_ID})
    assert bridge.place_of(gone) is Place.GONE
    assert bridge.place_of(foreign) is Place.ELSEWHERE


async def test_a_record_below_an_offset_that_somebody_else_has_set_is_gone() -> None:
    """It does not come again, and nothing says that its outcome was ever published."""
    bridge = Bridge(note)
    application = listening(bridge)
    bridge.begin_tenure(P0, TOPIC_ID, OffsetMap.begin(10))
    tenure = bridge.membership.tenures[P0]
    bridge.deliver(P0, [record(10, tenure)])
    await until_told(bridge)
    assert [bridge.place_of(record(at, 1).source) for at in (9, 10)] == [Place.GONE, Place.OPEN]
    assert not application.completed_before(9)


async def test_a_commit_note_says_from_where_on_our_own_progress_holds() -> None:
    """The next tenure must not take what was passed over for complete."""
    bridge = Bridge(note)
    listening(bridge)
    bridge.begin_tenure(P0, TOPIC_ID, OffsetMap.begin(10))
    first = record(10, bridge.membership.tenures[P0])
    bridge.deliver(P0, [first])
    found = read_note(complete(bridge, first)[P0].metadata)
    assert found is not None
    assert found.since == 10
