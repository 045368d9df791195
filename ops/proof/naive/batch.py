"""What one poll returned, and how far the application has come with it."""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence

from kafka import TopicPartition

from worker.adapters.kafka.bridge import Completion, partition_of
from worker.application.ports import SourceRecord
from worker.domain.entry import Source


class Batch:
    """Records are processed in any order, and taken in the order of their offsets.

    So the last record taken, plus one, is the offset to commit.
    """

    def __init__(self, polled: Mapping[TopicPartition, Sequence[SourceRecord]]) -> None:
        self._left = {partition: deque(records) for partition, records in polled.items()}
        self._processed: dict[Source, Completion] = {}

    def is_over(self) -> bool:
        """Whether all of it was taken."""
        return not any(self._left.values())

    def note(self, completions: Iterable[Completion]) -> list[Completion]:
        """Note what is processed; return what belongs to no record, and so waits for none."""
        others = []
        for completion in completions:
            if completion.record is None:
                others.append(completion)
            else:
                self._processed[completion.record.source] = completion
        return others

    def take(self) -> list[Completion]:
        """Remove and return what is processed up to the first record that is not."""
        taken = []
        for records in self._left.values():
            while records and records[0].source in self._processed:
                taken.append(self._processed.pop(records.popleft().source))
        return taken

    def give_up(self) -> list[Completion]:
        """Remove and return what is processed and waits for a record before it."""
        given_up = list(self._processed.values())
        self._processed.clear()
        return given_up


def last_records(completions: Iterable[Completion]) -> dict[TopicPartition, SourceRecord]:
    """Return the last record of each partition in what was taken."""
    records = (completion.record for completion in completions)
    return {partition_of(record): record for record in records if record is not None}
