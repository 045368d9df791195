"""The hardened Kafka transaction: what is not proven is discarded, and a fence is found wherever it hides."""

from types import SimpleNamespace
from typing import Any

import pytest
from kafka import ConsumerGroupMetadata, OffsetAndMetadata, TopicPartition
from kafka import errors as kafka_errors
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
from kafka.protocol.consumer.metadata import ConsumerProtocolAssignment

from tests.unit.adapters.kafka.records import P0, REBALANCING, STABLE, UNJOINED
from tests.unit.adapters.kafka.scripted_producer import Log, raising
from worker.adapters.kafka.hardened import (
    DiscardedError,
    Stage,
    discard,
    fence_behind,
    harden,
    harden_consumer,
    instance_id_taken,
    left_out,
    run_transaction,
    stable,
    topic_id_of,
)

RECORD: dict[str, Any] = {"topic": "t.results", "key": None, "value": b"value", "headers": []}
OFFSETS = {P0: OffsetAndMetadata(8, "", -1)}


def run(log: Log, group: ConsumerGroupMetadata = STABLE) -> None:
    """Run one Kafka transaction of one record and one offset."""
    run_transaction(log.make_producer(), [RECORD], OFFSETS, lambda: group, 30.0)


def test_records_and_offsets_become_visible_together() -> None:
    """P2 and P3: both or none."""
    log = Log()
    run(log)
    assert (log.records, log.offsets) == ([RECORD], {P0: 8})


def test_without_offsets_none_are_sent_but_the_snapshot_is_looked_at() -> None:
    """Outputs of no record move nothing, but only a member may publish them."""
    log, looked = Log(), []

    def look() -> ConsumerGroupMetadata:
        looked.append(True)
        return STABLE

    run_transaction(log.make_producer(), [RECORD], {}, look, 30.0)
    assert (log.records, log.offsets, log.groups) == ([RECORD], {}, [])
    assert looked == [True]


@pytest.mark.parametrize(
    ("step", "stage"),
    [
        ("begin", "begin"),
        ("send", "send"),
        ("ack", "send"),
        ("offsets", "offsets"),
        ("commit", "commit"),
    ],
)
def test_an_error_at_any_step_discards_the_kafka_transaction_and_names_it(
    step: str, stage: Stage
) -> None:
    """T1, T2, T5: no later step can make good what is not proven."""
    log = Log(on={step: raising(kafka_errors.KafkaTimeoutError())})
    with pytest.raises(DiscardedError) as caught:
        run(log)
    assert caught.value.stage == stage
    assert isinstance(caught.value.__cause__, kafka_errors.KafkaTimeoutError)
    assert (log.records, log.offsets) == ([], {})


def test_records_that_are_not_acknowledged_in_time_are_told_apart() -> None:
    """An operator sees that Kafka is slow, not that it refuses."""
    log = Log(on={"ack": raising(kafka_errors.KafkaTimeoutError())})
    with pytest.raises(DiscardedError) as caught:
        run_transaction(log.make_producer(), [RECORD], OFFSETS, lambda: STABLE, 0.0)
    assert caught.value.stage == "deadline"


def test_no_offset_is_sent_before_every_record_is_acknowledged() -> None:
    """T1: a record that fails later must not find its offset committed."""
    log = Log(on={"ack": raising(kafka_errors.NotEnoughReplicasError())})
    with pytest.raises(DiscardedError):
        run(log)
    assert log.groups == []


def test_the_snapshot_is_taken_when_the_offsets_are_sent() -> None:
    """Not when the Kafka transaction began: the group may have moved on since."""
    log, newest = Log(), [UNJOINED]
    log.on["ack"] = lambda: newest.append(STABLE)
    run_transaction(log.make_producer(), [RECORD], OFFSETS, lambda: newest[-1], 30.0)
    assert log.groups == [STABLE]


def test_the_error_says_neither_key_nor_value() -> None:
    """P10: errors of kafka-python may quote what they failed on."""
    log = Log(on={"send": raising(ValueError("card 4111"))})
    with pytest.raises(DiscardedError) as caught:
        run(log)
    assert "4111" not in str(caught.value)


@pytest.mark.parametrize(
    "offset",
    [
        OffsetAndMetadata("8", "", -1),
        OffsetAndMetadata(8, None, -1),
        OffsetAndMetadata(8, "", None),
        OffsetAndMetadata(True, "", -1),
    ],
)
def test_an_offset_of_the_wrong_type_never_reaches_the_producer(
    offset: OffsetAndMetadata,
) -> None:
    """T8: it would block for ever."""
    log = Log()
    with pytest.raises(TypeError):
        run_transaction(log.make_producer(), [RECORD], {P0: offset}, lambda: STABLE, 30.0)
    assert log.groups == []


# Fences ─────────────────────────────────────────────────────────────────────────────────────


def caused(cause: BaseException) -> Exception:
    """An error with a cause."""
    error = DiscardedError("send", "KafkaError")
    error.__cause__ = cause
    return error


FENCE = kafka_errors.ProducerFencedError()


@pytest.mark.parametrize(
    "error",
    [
        FENCE,
        kafka_errors.InvalidProducerEpochError(),
        kafka_errors.FencedInstanceIdError(),
        caused(FENCE),
        caused(caused(FENCE)),
        kafka_errors.KafkaError("Cannot perform send because", FENCE),
        caused(kafka_errors.KafkaError("Cannot perform send because", FENCE)),
    ],
)
def test_a_fence_is_found_wherever_it_hides(error: Exception) -> None:
    """T9: it is often not the exception's own type."""
    assert fence_behind(error, Log().make_producer())


def test_a_fence_that_only_the_producer_remembers_is_found() -> None:
    """T9: what the caller sees may be a complaint about the producer's state."""
    producer = Log().make_producer()
    producer._transaction_manager.last_error = FENCE
    assert fence_behind(kafka_errors.IllegalStateError("BUMPING_PRODUCER_EPOCH"), producer)


def test_an_error_without_a_fence_is_none() -> None:
    """A circle of causes ends too; the worker goes on with a new producer."""
    one, other = caused(kafka_errors.KafkaTimeoutError()), DiscardedError("send", "x")
    other.__context__, one.__context__ = one, other
    assert not fence_behind(one, Log().make_producer())


# Parts ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "group",
    [
        UNJOINED,
        REBALANCING,
        STABLE._replace(generation_id=-1),
        STABLE._replace(member_id=""),
    ],
)
def test_a_snapshot_that_does_not_fence_is_refused(group: ConsumerGroupMetadata) -> None:
    """C3: Kafka accepts offsets of a member that is none, and an owner's would be overwritten."""
    assert not stable(group)
    assert stable(STABLE)


def test_a_failed_batch_is_always_fatal_once_hardened() -> None:
    """T1, T2, T4, T9: nothing may follow it but a new producer."""
    producer = harden(Log().make_producer())
    error = kafka_errors.KafkaTimeoutError()
    assert producer._transaction_manager.classify_batch_error(error, None, -1) == "FATAL"


def test_a_refused_connection_is_only_not_ready_once_hardened() -> None:
    """T11: as an exception it would lose the request for good."""
    producer = Log().make_producer()
    producer._client.await_ready = lambda *_: raising(kafka_errors.KafkaConnectionError())()
    assert harden(producer)._sender._client.await_ready("node", 1) is False


def test_a_discarded_producer_sends_nothing_more() -> None:
    """T7: it is stopped whatever it was at, and closing it again does nothing."""
    producer = Log().make_producer()
    discard(producer)
    assert producer.is_stopped
    assert producer._closed


def hardened_consumer(fetcher: Any = None) -> Any:
    """Harden what has no more of a consumer than the hardening touches."""
    assignor = CooperativeStickyAssignor()
    coordinator = SimpleNamespace(
        need_rejoin=lambda: False,
        rejoining=False,
        group_protocols=lambda: [(assignor.name, assignor.metadata({"t"}))],
        _assignors={assignor.name: assignor},
        _subscription=SimpleNamespace(assigned_partitions=set),
        _perform_assignment=dict,
        _metadata_snapshot={},
        _is_leader=False,
    )
    fetcher = fetcher or SimpleNamespace(fetched_records=dict)
    return harden_consumer(SimpleNamespace(_coordinator=coordinator, _fetcher=fetcher))


@pytest.mark.parametrize("rejoining", [True, False])
def test_an_unread_join_keeps_the_consumer_joining(rejoining: bool) -> None:
    """C9: else nobody would read the join's result any more."""
    coordinator = hardened_consumer()._coordinator
    coordinator.rejoining = rejoining
    assert coordinator.need_rejoin() is rejoining


@pytest.mark.parametrize("held", [set(), {P0}], ids=["lost", "kept"])
def test_a_join_claims_what_is_held_and_not_what_was_given_last(
    held: set[TopicPartition],
) -> None:
    """P8: what a member claims and does not have, the leader gives to nobody."""
    coordinator = hardened_consumer()._coordinator
    (assignor,) = coordinator._assignors.values()
    given = ConsumerProtocolAssignment(1, [("t", [0, 1])], b"")
    assignor.on_assignment(given, generation=7)
    coordinator._subscription.assigned_partitions = lambda: held
    ((_, metadata),) = coordinator.group_protocols()
    claimed = {
        TopicPartition(each.topic, number)
        for each in metadata.owned_partitions
        for number in each.partitions
    }
    assert claimed == held


@pytest.mark.parametrize(
    ("is_leader", "given", "nobody_has"),
    [
        (True, {"a": [0], "b": [2]}, 1),
        (True, {"a": [0, 1], "b": [2]}, 0),
        (False, {"a": [0], "b": [2]}, 0),
    ],
    ids=["one", "none", "not ours to say"],
)
def test_a_leader_knows_what_it_has_given_to_nobody(
    is_leader: bool, given: dict[str, list[int]], nobody_has: int
) -> None:
    """P8: so it can have the group assigned anew."""
    consumer = hardened_consumer()
    coordinator = consumer._coordinator
    coordinator._metadata_snapshot = {"t": {0, 1, 2}}
    coordinator._is_leader = is_leader
    assert left_out(consumer) == 0, "nothing was given out by it"
    assignments = {
        member: ConsumerProtocolAssignment(1, [("t", numbers)], b"")
        for member, numbers in given.items()
    }
    coordinator._perform_assignment = lambda *_: assignments
    harden_consumer(consumer)
    assert coordinator._perform_assignment("a", "cooperative-sticky", []) == assignments
    assert left_out(consumer) == nobody_has


@pytest.mark.parametrize(
    ("in_line", "seen"), [([], None), (["record"], ["record"])], ids=["used-up", "records-left"]
)
def test_what_is_used_up_makes_room_for_records_that_a_pause_has_parked(
    in_line: list[str], seen: list[str] | None
) -> None:
    """P8: else a partition that was paused stands still for good once it is resumed."""
    fetcher = SimpleNamespace(_next_partition_records=in_line)
    fetcher.fetched_records = lambda limit: (limit, fetcher._next_partition_records)
    hardened_consumer(fetcher)
    assert fetcher.fetched_records(200) == (200, seen)


@pytest.mark.parametrize(
    ("stable", "rejoining", "heartbeats", "taken"),
    [
        (True, False, False, True),
        (True, False, True, False),
        (True, True, False, False),
        (False, False, False, False),
    ],
    ids=["taken", "well", "joining-again", "not-a-member"],
)
def test_a_stable_member_without_heartbeats_has_lost_its_instance_id(
    stable: bool, rejoining: bool, heartbeats: bool, taken: bool
) -> None:
    """C5: there is no other sign; while it joins there are no heartbeats either."""
    coordinator = SimpleNamespace(
        stable=lambda: stable, rejoining=rejoining, _heartbeat_enabled=heartbeats
    )
    assert instance_id_taken(SimpleNamespace(_coordinator=coordinator)) is taken


def test_an_unknown_topic_has_no_id() -> None:
    """It is no text that could be stored."""
    cluster = SimpleNamespace(topic_id={"known": 7}.get)
    consumer = SimpleNamespace(_cluster=cluster)
    assert topic_id_of(consumer, "known") == "7"
    assert topic_id_of(consumer, "unknown") is None
