"""The hardened Kafka transaction: what kafka-python 3.0.12 needs so that no record is lost.

Private parts of the pinned version are touched here and nowhere else. The letters (T1, C9, …)
are defects of that version, each reproduced; `tests/unit/adapters/kafka/test_tripwire.py` fails
when an upgrade changes what this module leans on.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Literal

from kafka import ConsumerGroupMetadata, KafkaConsumer, KafkaProducer, TopicPartition
from kafka import errors as kafka_errors
from kafka.structs import MemberState, OffsetAndMetadata

from worker.adapters.kafka.header_names import read_any_header_name
from worker.adapters.system_clock import monotonic_seconds

Stage = Literal["snapshot", "begin", "send", "deadline", "offsets", "commit"]
SENDER_JOIN_SECONDS: Final = 5.0
FENCES: Final[tuple[type[Exception], ...]] = (
    kafka_errors.ProducerFencedError,
    kafka_errors.InvalidProducerEpochError,
    kafka_errors.FencedInstanceIdError,
)


class DiscardedError(Exception):
    """The Kafka transaction is not proven: throw the producer away and rewind to what is committed.

    `stage` "commit" means that its outcome is unknown (T5), never that it was aborted;
    "deadline" that the records were not acknowledged in time.
    """

    def __init__(self, stage: Stage, reason: str) -> None:
        super().__init__(f"the Kafka transaction was given up at {stage}: {reason}")
        self.stage = stage


def harden(producer: KafkaProducer) -> KafkaProducer:
    """Close T1, T2, T4, T9 and T11 on a new producer, before `init_transactions()`."""
    # Consulted only when a batch has finally failed: always fatal, so that no failed record and
    # no epoch bump can be followed by a successful commit.
    producer._transaction_manager.classify_batch_error = lambda *_, **__: "FATAL"
    client = producer._sender._client
    original = client.await_ready

    def await_ready(*args: Any, **kwargs: Any) -> Any:
        # T11: an exception here drops the request for ever; False queues it again.
        try:
            return original(*args, **kwargs)
        except kafka_errors.KafkaConnectionError:
            return False

    client.await_ready = await_ready
    return producer


def harden_consumer(consumer: KafkaConsumer) -> KafkaConsumer:
    """Make a new consumer safe.

    Closes C9, frees what was fetched of a partition before it was paused, lets a header have any
    name, and lets no partition become nobody's.
    """
    read_any_header_name()
    coordinator = consumer._coordinator
    _claim_what_is_held(coordinator)
    _note_what_is_assigned(coordinator)
    need_rejoin = coordinator.need_rejoin
    # C9: a rejoin whose result nobody read must be read by the next poll.
    coordinator.need_rejoin = lambda: need_rejoin() or coordinator.rejoining
    fetcher = consumer._fetcher
    fetched_records = fetcher.fetched_records

    def with_parked_records(*args: Any, **kwargs: Any) -> Any:
        # Records that were parked by a pause come back only where the place in line is None. One
        # that is used up is false but not None: then the resumed partition would stand still for
        # good, neither returned nor fetched again, and without an error.
        if not fetcher._next_partition_records:
            fetcher._next_partition_records = None
        return fetched_records(*args, **kwargs)

    fetcher.fetched_records = with_parked_records
    return consumer


def _claim_what_is_held(coordinator: Any) -> None:
    """Let each join claim the partitions that are held by then, not those that were given last.

    A member that was expelled goes on to claim what it has lost. The leader then keeps that from
    everybody else until the claimant gives it up, which it never does: it has nothing to give up.
    """
    group_protocols = coordinator.group_protocols

    def with_what_is_held() -> Any:
        held = sorted(coordinator._subscription.assigned_partitions())
        for assignor in coordinator._assignors.values():
            assignor.member_assignment = held
        return group_protocols()

    coordinator.group_protocols = with_what_is_held


def _note_what_is_assigned(coordinator: Any) -> None:
    """Keep what the leader has last given to anybody, for `left_out`."""
    perform = coordinator._perform_assignment

    def noted(*args: Any, **kwargs: Any) -> Any:
        given = perform(*args, **kwargs)
        coordinator.given_out = {p for each in given.values() for p in each.partitions()}
        return given

    coordinator._perform_assignment, coordinator.given_out = noted, None


def left_out(consumer: KafkaConsumer) -> int:
    """Return how many partitions nobody has, as far as this member gave them out; 0 as a follower.

    In the midst of a cooperative rebalance that is what one member gives up for another.
    """
    coordinator = consumer._coordinator
    if not coordinator._is_leader or coordinator.given_out is None:
        return 0
    there = (
        TopicPartition(topic, number)
        for topic, numbers in coordinator._metadata_snapshot.items()
        for number in numbers
    )
    return sum(partition not in coordinator.given_out for partition in there)


def join(consumer: KafkaConsumer, timeout_ms: int) -> None:
    """Take part in a rebalance for at most so long, and return as soon as it is over.

    A poll does that too, but goes on to its time limit: what is gained stands still at first.
    """
    consumer._coordinator.poll(timeout_ms=timeout_ms)


def instance_id_taken(consumer: KafkaConsumer) -> bool:
    """Whether another process has this static member's instance id, seen after a poll.

    C5: the client only stops its heartbeats then, and goes on to return records as a stable member.
    """
    coordinator = consumer._coordinator
    return bool(
        coordinator.stable()
        and not coordinator.rejoining
        and not coordinator._heartbeat_enabled
    )


def ask_to_rejoin(consumer: KafkaConsumer) -> None:
    """Let the next poll join the group again, with the partitions that are held now.

    A static member that ends inside a cooperative rebalance, after it was told what to give up
    and before it has, gets the smaller assignment back without a rebalance when it returns: what
    it was to give up is nobody's then, in a stable group, for good. Joining once more differs in
    what is owned from what the broker has kept, so the group is assigned anew.
    """
    consumer._coordinator.request_rejoin()


def topic_id_of(consumer: KafkaConsumer, topic: str) -> str | None:
    """Return the id that the cluster metadata gives a topic; records do not carry it."""
    found = consumer._cluster.topic_id(topic)
    return None if found is None else str(found)


def fence_behind(error: BaseException, producer: KafkaProducer) -> BaseException | None:
    """Return the fence of the transactional or instance id that is behind an error, if one is.

    It hides in a cause, in an exception's arguments, or only in the producer's last error.
    """
    todo: list[Any] = [error, producer._transaction_manager.last_error]
    seen: set[int] = set()
    while todo:
        item = todo.pop()
        if isinstance(item, BaseException) and id(item) not in seen:
            if isinstance(item, FENCES):
                return item
            seen.add(id(item))
            todo += [item.__cause__, item.__context__, *item.args]
    return None


def stable(group: ConsumerGroupMetadata) -> bool:
    """Whether a snapshot of the group fences: an unjoined one is accepted unfenced (C3)."""
    return bool(
        group.state == MemberState.STABLE and group.generation_id >= 0 and group.member_id
    )


def heard_from_group(consumer: KafkaConsumer) -> bool:
    """Whether a heartbeat was answered within the session timeout.

    With every broker away the client goes on calling itself a stable member.
    """
    return not consumer._coordinator.heartbeat.session_timeout_expired()


def run_transaction(
    producer: KafkaProducer,
    records: Sequence[Mapping[str, Any]],
    offsets: Mapping[TopicPartition, OffsetAndMetadata],
    group_before_offsets: Callable[[], ConsumerGroupMetadata],
    deadline_seconds: float,
) -> None:
    """Produce `records` and commit `offsets` in one Kafka transaction.

    `group_before_offsets` is called when every record is acknowledged; it returns the newest
    snapshot or raises DiscardedError if the records' partitions are no longer held.
    Raises DiscardedError for anything not proven. `commit` can block without bound (T6): the
    watchdog covers it.
    """
    _check_types(offsets)
    end = monotonic_seconds() + deadline_seconds
    stage: Stage = "begin"
    try:
        producer.begin_transaction()
        stage = "send"
        futures = [producer.send(**record) for record in records]
        for future in futures:  # T1, T2: nothing in flight, nothing failed
            future.get(timeout=max(0.0, end - monotonic_seconds()))
        stage = "offsets"
        group = group_before_offsets()
        if offsets:
            producer.send_offsets_to_transaction(dict(offsets), group)
        stage = "commit"
        producer.commit_transaction()
    except DiscardedError:
        raise
    except Exception as error:
        late = stage == "send" and monotonic_seconds() >= end
        raise DiscardedError("deadline" if late else stage, type(error).__name__) from error


def _check_types(offsets: Mapping[TopicPartition, OffsetAndMetadata]) -> None:
    """Refuse what would block `send_offsets_to_transaction` for ever (T8)."""
    for offset in offsets.values():
        if (type(offset.offset), type(offset.metadata), type(offset.leader_epoch)) != (
            int,
            str,
            int,
        ):
            raise TypeError("an offset to commit must be OffsetAndMetadata(int, str, int)")


def discard(producer: KafkaProducer) -> None:
    """Stop a producer for good without ending its Kafka transaction (T7).

    The next `init_transactions()` with the same transactional id aborts what it left open.
    """
    producer._sender.force_close()
    producer._sender.join(SENDER_JOIN_SECONDS)
    producer._closed = True
    producer._unregister_cleanup()
