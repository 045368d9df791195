"""What Kafka is to the application in tests: records go in, completions come out."""

import asyncio
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from worker.application.ports import Output, OutputTopic, Place, SourceRecord
from worker.domain.entry import Source


@dataclass
class KafkaSide:
    """The Publisher port: commits at once, or when told to; remembers what was committed.

    `published` holds the outputs of committed records in their order; `committed` the records.
    """

    committing: bool = True
    published: list[Output] = field(default_factory=list)
    committed: list[SourceRecord] = field(default_factory=list)
    handed_over: list[SourceRecord] = field(default_factory=list)
    places: dict[Source, Place] = field(default_factory=dict)
    _waiting: list[tuple[SourceRecord | None, Sequence[Output], asyncio.Future[bool]]] = field(
        default_factory=list
    )

    def complete(self, record: SourceRecord, outputs: Sequence[Output]) -> Awaitable[bool]:
        """Take a completion over."""
        self.handed_over.append(record)
        return self._taken(record, outputs)

    def emit(self, outputs: Sequence[Output]) -> Awaitable[bool]:
        """Take outputs over that belong to no record."""
        return self._taken(None, outputs)

    def place_of(self, source: Source) -> Place:
        """Where a record is: complete once committed, else elsewhere, unless a test says otherwise."""
        complete = any(record.source == source for record in self.committed)
        return self.places.get(source, Place.COMPLETE if complete else Place.ELSEWHERE)

    def _taken(self, record: SourceRecord | None, outputs: Sequence[Output]) -> Awaitable[bool]:
        future: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append((record, outputs, future))
        if self.committing:
            self.settle(committed=True)
        return future

    def settle(self, *, committed: bool) -> None:
        """Commit, or lose, all that was handed over."""
        waiting, self._waiting = self._waiting, []
        for record, outputs, future in waiting:
            if committed:
                if record is not None:
                    self.committed.append(record)
                self.published.extend(outputs)
            future.set_result(committed)

    def of(self, topic: OutputTopic) -> list[Output]:
        """What was committed to one topic."""
        return [output for output in self.published if output.topic is topic]


@dataclass
class StillClock:
    """A clock that tests move."""

    moment: datetime

    def now(self) -> datetime:
        """The moment it was set to."""
        return self.moment
