"""What a worker says of itself in its log, read once and kept as a few figures: a long run's logs are large."""

import json
from collections import Counter
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any, Final

Partition = tuple[str, int]
"""The topic's full name and the number."""

COMPLETED: Final = {
    "command.completed",
    "command.decided",
    "balance.refreshed",
    "record.duplicate",
    "record.dead_letter",
}
"""What a worker says of a record only once its Kafka commit is proven."""
_ASSIGNED: Final = "kafka.assigned"
_PARKED: Final = "order.parked"


class WorkerLog:
    """One worker's log, followed by `read`."""

    def __init__(self, path: Path, parked: set[str]) -> None:
        """Follow the log at `path`, which exists, from its beginning; add to the orders in `parked`."""
        self._path, self._parked = path, parked
        self._read = 0
        self._marked_at: datetime | None = None
        self.first_line_at: datetime | None = None
        self.first_completed_at: datetime | None = None
        self.is_assigned = False
        """Whether it has been given partitions."""
        self.why = ""
        """Its last word about why it ends."""
        self.said: Counter[tuple[str, str]] = Counter()
        """How often it said what: the event and its cause, if it names one."""
        self.completed_since: dict[Partition, datetime] = {}
        """When it first completed a record of a partition since the last `mark`."""

    def mark(self, at: datetime) -> None:
        """Forget what was completed; from now on only what comes after `at` counts."""
        self._marked_at = at
        self.completed_since.clear()

    def read(self) -> None:
        """Take in what was logged since the last time."""
        with self._path.open("rb") as log:
            log.seek(self._read)
            whole, newline, _ = log.read().rpartition(b"\n")
        self._read += len(whole) + len(newline)
        for line in whole.splitlines():
            with suppress(ValueError):
                fields = json.loads(line)
                if isinstance(fields, dict) and "timestamp" in fields:
                    self._note(fields)

    def _note(self, line: dict[str, Any]) -> None:
        at, event = datetime.fromisoformat(line["timestamp"]), str(line.get("event"))
        self.first_line_at = self.first_line_at or at
        self.is_assigned = self.is_assigned or event == _ASSIGNED
        self.said[event, str(line.get("cause", ""))] += 1
        self.why = str(line.get("why", self.why))
        if event == _PARKED:
            self._parked.add(line["tran_order_no"])
        if event in COMPLETED:
            self.first_completed_at = self.first_completed_at or at
            if self._marked_at is not None and at > self._marked_at:
                self.completed_since.setdefault((line["topic"], line["partition"]), at)
