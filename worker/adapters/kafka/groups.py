"""What a consumer group has committed, and how many members it has."""

from collections.abc import Collection
from typing import Final

from kafka import KafkaConsumer, TopicPartition
from kafka import errors as kafka_errors
from kafka.structs import OffsetAndMetadata
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from worker.adapters.kafka.admin import CLIENT_ID, admin_client
from worker.adapters.kafka.connection import (
    KafkaConnection,
    KafkaUnavailableError,
    connect,
    connection_options,
    refusals,
)
from worker.adapters.system_clock import monotonic_seconds
from worker.domain.commit_note import CommitNote, read_note

COORDINATOR_ON_ITS_WAY: Final = (
    kafka_errors.CoordinatorNotAvailableError,
    kafka_errors.CoordinatorLoadInProgressError,
    kafka_errors.NotCoordinatorError,
)
COORDINATOR_WAIT_SECONDS: Final = 0.2
COORDINATOR_SECONDS_MAX: Final = 20.0
SETTLED_SECONDS_MAX: Final = 20.0


def committed_notes(connection: KafkaConnection, group_id: str) -> list[CommitNote | None]:
    """Return the note of each partition of the group with a committed offset; None: not ours.

    An offset that is being committed just now may be missing. FutureNoteError;
    KafkaUnavailableError; KafkaRefusedError.
    """
    # A cluster that never had a group makes the topic of their offsets at the first question.
    until_coordinated = Retrying(
        retry=retry_if_exception_type(COORDINATOR_ON_ITS_WAY),
        wait=wait_fixed(COORDINATOR_WAIT_SECONDS),
        stop=stop_after_delay(COORDINATOR_SECONDS_MAX),
        reraise=True,
    )
    with admin_client(connection) as admin, refusals("reading committed offsets"):
        found = until_coordinated(admin.list_group_offsets, group_id).get(group_id, {})
    return [read_note(each.metadata) for each in found.values() if each.offset >= 0]


def settled_notes(
    connection: KafkaConnection,
    group_id: str,
    partitions: Collection[TopicPartition],
    seconds_max: float = SETTLED_SECONDS_MAX,
) -> list[CommitNote | None]:
    """The same of these partitions, once no Kafka transaction with offsets of theirs is open.

    A commit that was acknowledged before is among them for sure. FutureNoteError;
    KafkaUnavailableError, also if one stays open; KafkaRefusedError.
    """
    # Only a consumer asks for what is stable, and only partition by partition is one told of
    # a first offset that is still pending.
    options = connection_options(connection, CLIENT_ID) | {
        "group_id": group_id,
        "enable_auto_commit": False,
        "isolation_level": "read_committed",
    }
    end = monotonic_seconds() + seconds_max
    consumer = connect(connection, lambda: KafkaConsumer(**options))
    try:
        with refusals("reading committed offsets"):
            found = [_settled(consumer, partition, end) for partition in partitions]
    finally:
        consumer.close(autocommit=False)
    return [read_note(each.metadata) for each in found if each is not None]


def _settled(
    consumer: KafkaConsumer, partition: TopicPartition, end: float
) -> OffsetAndMetadata | None:
    left_ms = max(1, round((end - monotonic_seconds()) * 1000))
    try:
        return consumer.committed(partition, metadata=True, timeout_ms=left_ms)
    except kafka_errors.KafkaTimeoutError as error:
        sentence = (
            f"The committed offset of {partition.topic}, partition {partition.partition}, cannot "
            "be read: a Kafka transaction stays open, or Kafka does not answer."
        )
        raise KafkaUnavailableError(sentence) from error


def group_members(connection: KafkaConnection, group_id: str) -> int:
    """Count the members of a consumer group; KafkaUnavailableError; KafkaRefusedError."""
    with admin_client(connection) as admin, refusals("describing the group"):
        return len(admin.describe_groups([group_id])[group_id]["members"])
