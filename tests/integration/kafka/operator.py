"""An operator's and a subscriber's view of Kafka, with clients that are not the worker's."""

import time
import uuid
from collections.abc import Iterable, Mapping, Sequence

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka import errors as kafka_errors
from kafka.admin import MemberToRemove
from kafka.structs import OffsetAndMetadata

from tests.integration.kafka.members import Place
from worker.adapters.kafka.connection import KafkaConnection
from worker.domain.commit_note import read_note
from worker.domain.offset_map import OffsetMap


class Operator:
    """Creates topics, sends commands, and reads what is committed."""

    def __init__(self, bootstrap_servers: str) -> None:
        self._servers = (bootstrap_servers,)
        self._admin = KafkaAdminClient(bootstrap_servers=bootstrap_servers)
        self._producer = KafkaProducer(bootstrap_servers=bootstrap_servers)
        self._reader = KafkaConsumer(
            bootstrap_servers=bootstrap_servers,
            group_id=None,
            isolation_level="read_committed",
            auto_offset_reset="none",
        )

    def close(self) -> None:
        """Close all clients."""
        self._reader.close()
        self._producer.close(timeout=5)
        self._admin.close()

    def new_place(self, partitions: int) -> Place:
        """Create topics that no other test knows."""
        prefix = f"adapter.{uuid.uuid4().hex}."
        place = Place(
            KafkaConnection(bootstrap_servers=self._servers),
            f"{prefix}group",
            f"{prefix}commands",
            f"{prefix}results",
        )
        self._admin.create_topics(
            {
                place.commands: {"num_partitions": partitions, "replication_factor": 1},
                place.results: {
                    "num_partitions": 1,
                    "replication_factor": 1,
                    # Less than what our producer would send: so a broker can refuse an output.
                    "configs": {"max.message.bytes": "20000"},
                },
            },
            wait_for_metadata=True,
        )
        return place

    def send(
        self,
        place: Place,
        values: Iterable[bytes],
        partition: int = 0,
        headers: Sequence[tuple[str, bytes]] = (),
    ) -> None:
        """Send commands, and return once the broker has them."""
        sent = [
            self._producer.send(
                place.commands, value, partition=partition, headers=list(headers)
            )
            for value in values
        ]
        for future in sent:
            future.get(timeout=30)

    def results(self, place: Place) -> list[bytes | None]:
        """Read all outputs that `read_committed` readers see by now.

        A commit returns before its markers are written: wait for what must come.
        """
        partition = TopicPartition(place.results, 0)
        self._reader.assign([partition])
        end = self._reader.end_offsets([partition])[partition]
        self._reader.seek(partition, 0)
        values: list[bytes | None] = []
        while self._reader.position(partition) < end:
            polled = self._reader.poll(timeout_ms=500)
            values += [record.value for records in polled.values() for record in records]
        return values

    def committed(self, place: Place) -> dict[int, int]:
        """Read the group's committed offsets, by partition."""
        found = self._admin.list_group_offsets({place.group: None})[place.group]
        return {
            partition.partition: offset.offset
            for partition, offset in found.items()
            if offset.offset >= 0
        }

    def incomplete(self, place: Place) -> dict[int, set[int]]:
        """Read what the group's notes say is incomplete at or above its offsets, by partition."""
        found = self._admin.list_group_offsets({place.group: None})[place.group]
        notes = {
            partition.partition: (offset.offset, read_note(offset.metadata))
            for partition, offset in found.items()
            if offset.offset >= 0
        }
        return {
            partition: set(OffsetMap.resume(committed, note.offset_map).incomplete)
            for partition, (committed, note) in notes.items()
            if note is not None
        }

    def commit(self, place: Place, offsets: Mapping[int, int], metadata: str = "") -> None:
        """Set offsets of a group that has no members."""
        wanted = {
            place.partition(partition): OffsetAndMetadata(offset, metadata, -1)
            for partition, offset in offsets.items()
        }
        answer = self._admin.alter_group_offsets(place.group, wanted)
        assert {error.__name__ for error in answer.values()} == {"NoError"}

    def expel(self, place: Place, member: str) -> None:
        """Remove a static member from the group, as the group does with one that is silent."""
        answer = self._admin.remove_group_members(
            place.group, [MemberToRemove(group_instance_id=member)]
        )
        assert {error.__name__ for error in answer.values()} == {"NoError"}

    def delete_before(self, place: Place, partition: int, offset: int) -> None:
        """Delete the first records of a partition, as retention does."""
        self._admin.delete_records({place.partition(partition): offset})

    def make_anew(self, topic: str, partitions: int) -> None:
        """Delete a topic, and make another one of that name."""
        self._admin.delete_topics([topic])
        wanted = {topic: {"num_partitions": partitions, "replication_factor": 1}}
        deadline = time.monotonic() + 20
        while True:
            try:
                self._admin.create_topics(wanted, wait_for_metadata=True)
            except kafka_errors.TopicAlreadyExistsError:
                # The broker deletes in its own time.
                assert time.monotonic() < deadline
                continue
            return

    def add_partitions(self, topic: str, total: int) -> None:
        """Give a topic more partitions."""
        self._admin.create_partitions({topic: total})
