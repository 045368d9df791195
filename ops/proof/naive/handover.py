"""Where the textbook loop and the application meet: the worker's bridge, without its tenures."""

from collections.abc import Callable, Sequence

from kafka import OffsetAndMetadata, TopicPartition
from typing_extensions import override

from ops.proof.naive.batch import last_records
from worker.adapters.kafka.bridge import Bridge, Completion, partition_of
from worker.application.ports import Place, SourceRecord
from worker.domain.entry import Source
from worker.domain.offset_map import OffsetMap


class Handover(Bridge):
    """Takes it that whatever lies below what was read last, or was committed, is complete."""

    def __init__(self, note: Callable[[str, OffsetMap], str]) -> None:
        super().__init__(note)
        self._complete_below: dict[TopicPartition, int] = {}

    def receive(self, records: Sequence[SourceRecord]) -> None:
        """Give the application one partition's records of a poll."""
        first = records[0]
        self._complete_below[partition_of(first)] = first.source.offset
        self._call(self.dispatcher.receive, records)

    def points(
        self, completions: Sequence[Completion]
    ) -> dict[TopicPartition, OffsetAndMetadata]:
        """Return the offsets to commit: of each partition the last record's, plus one.

        Beside it stands whose ledger the group rests on, as the worker's start demands (P9).
        """
        return {
            partition: self._point_after(record.source)
            for partition, record in last_records(completions).items()
        }

    def _point_after(self, source: Source) -> OffsetAndMetadata:
        after = source.offset + 1
        return OffsetAndMetadata(
            after, self._note(source.topic_id, OffsetMap.resume(after)), -1
        )

    @override
    def settle(self, completions: Sequence[Completion], *, committed: bool) -> None:
        """Tell the application what became of its completions."""
        if committed:
            for partition, record in last_records(completions).items():
                self._complete_below[partition] = record.source.offset + 1
        super().settle(completions, committed=committed)

    @override
    def place_of(self, source: Source) -> Place:
        """Say where a source record is, as far as this process can know."""
        below = self._complete_below.get(TopicPartition(source.topic, source.partition))
        if below is None:
            return Place.ELSEWHERE
        return Place.COMPLETE if source.offset < below else Place.OPEN
