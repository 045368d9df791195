"""A worker's log is read once, line by line, into the figures that a proof needs."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ops.proof.worker_log import WorkerLog

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


def line(second: int, event: str, **fields: object) -> str:
    """Write a log line as the worker does."""
    at = BEGAN + timedelta(seconds=second)
    return json.dumps({"timestamp": at.isoformat(), "event": event, **fields}) + "\n"


def completed(second: int, partition: int) -> str:
    """Write that a record is complete."""
    return line(second, "command.completed", topic="t", partition=partition)


def test_a_line_counts_once_it_is_whole(tmp_path: Path) -> None:
    """Half a line waits for its end, and is not lost."""
    path, parked = tmp_path / "log", set[str]()
    whole = line(1, "order.parked", tran_order_no="A-1")
    path.write_text(line(0, "worker.starting") + whole[:30])
    log = WorkerLog(path, parked)
    log.read()
    assert (log.said.total(), parked) == (1, set())
    with path.open("a") as file:
        file.write(whole[30:])
    log.read()
    assert (log.said.total(), parked) == (2, {"A-1"})


def test_what_is_no_json_line_of_the_worker_is_passed_over(tmp_path: Path) -> None:
    """A traceback, or what another library says, has no moment and no event."""
    path = tmp_path / "log"
    path.write_text("Traceback\n[1]\n{}\n" + line(2, "kafka.assigned"))
    log = WorkerLog(path, set())
    log.read()
    assert log.is_assigned
    assert log.first_line_at == BEGAN + timedelta(seconds=2)


def test_only_what_is_completed_after_the_mark_is_a_takeover(tmp_path: Path) -> None:
    """What was completed before the mark, but is read after it, does not count."""
    path = tmp_path / "log"
    path.write_text(completed(1, 0))
    log = WorkerLog(path, set())
    log.mark(BEGAN + timedelta(seconds=5))
    with path.open("a") as file:
        file.write(completed(4, 1) + completed(6, 1) + completed(7, 1))
    log.read()
    assert log.first_completed_at == BEGAN + timedelta(seconds=1)
    assert log.completed_since == {("t", 1): BEGAN + timedelta(seconds=6)}
