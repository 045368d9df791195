"""A history is gathered alike by one process and by several."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from typing_extensions import override

from ops.bench.bench_checker import MadeSource
from ops.bench.checker_history import (
    CLIENT,
    DEAD_LETTERS,
    RESULTS,
    book_lines,
    write_part,
)
from ops.proof import gathering
from ops.proof.book import book_of
from ops.proof.checker import check
from ops.proof.gathering import gather
from ops.proof.history import History, Order, Place
from ops.proof.operator_hand import Truth, resolution
from ops.proof.topics import Record

ORDERS = 300
CHECKS = "paywizard.internal.status-checks"
RESOLUTIONS = "paywizard.commands.resolution"
REFRESHES = "paywizard.internal.balance-refresh"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a made history that keeps every promise."""
    folder = tmp_path_factory.mktemp("history")
    write_part(folder, 0, ORDERS)
    return folder


def gathered(folder: Path) -> History:
    """Gather it."""
    return gather(MadeSource(folder), "paywizard.", lambda: book_of(book_lines(folder)), CLIENT)


def test_several_processes_gather_the_same_history(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What stands in it, and what the checker says of it."""
    alone = gathered(folder)
    monkeypatch.setattr(gathering, "LARGE", 1)
    together = gathered(folder)
    for name in ("commands", "results", "balance_changes", "dead_letters", "book"):
        one, other = getattr(alone, name), getattr(together, name)
        assert (
            one == other
            if name == "book"
            else sorted(map(repr, one)) == sorted(map(repr, other))
        )
    assert check(together) == check(alone)
    assert check(together).holds


def test_what_cannot_be_read_is_kept_as_that_by_both(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """An outcome that nobody can use is a finding, and ends nothing."""
    (results,) = folder.glob(f"{RESULTS}.*")
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(
            path.read_bytes().replace(b"\xc3\x01", b"\xc3\x02", 1)
            if path == results
            else path.read_bytes()
        )
    alone = gathered(tmp_path)
    monkeypatch.setattr(gathering, "LARGE", 1)
    assert [place for place, _ in alone.unreadable] == [
        place for place, _ in gathered(tmp_path).unreadable
    ]
    assert len(alone.unreadable) == 1


@dataclass(frozen=True, slots=True)
class SourceWithGarbage(MadeSource):
    """A made history with garbage on a topic of the worker's own, and its dead letter."""

    value_kept: bytes = b"garbage"
    read: list[str] = field(default_factory=list)

    @override
    def topics(self) -> set[str]:
        return {*MadeSource.topics(self), CHECKS, REFRESHES}

    @override
    def records(self, topic: str) -> Iterator[Record]:
        self.read.append(topic)
        yield from MadeSource.records(self, topic)
        if topic == CHECKS:
            for offset, value in enumerate((b"a check", b"garbage")):
                yield Record(Place(CHECKS, 0, offset), b"key", value)
        if topic == DEAD_LETTERS:
            headers = (
                ("dlq.reason", b"BAD_FRAME"),
                ("dlq.message", b"A sentence."),
                ("dlq.original.topic", CHECKS.encode()),
                ("dlq.original.partition", b"0"),
                ("dlq.original.offset", b"1"),
            )
            yield Record(Place(DEAD_LETTERS, 99, 0), b"key", self.value_kept, headers)


def test_a_record_of_an_internal_topic_that_a_dead_letter_names_is_read(folder: Path) -> None:
    """P2: whatever somebody put there gets its dead letter, and that is no letter of nothing."""
    source = SourceWithGarbage(folder)
    history = gather(source, "paywizard.", lambda: book_of(book_lines(folder)), CLIENT)
    assert [each.place for each in history.internals] == [Place(CHECKS, 0, 1)]
    assert REFRESHES not in source.read, "these topics are large"
    assert check(history).holds


def test_an_altered_record_of_an_internal_topic_is_found(folder: Path) -> None:
    """P3: its dead letter holds its bytes, as any other."""
    source = SourceWithGarbage(folder, b"other garbage")
    history = gather(source, "paywizard.", lambda: book_of(book_lines(folder)), CLIENT)
    assert [each.promise for each in check(history).findings] == ["P3"]


class SourceWithDecision(MadeSource):
    """A made history in which an operator has decided something, and sent garbage."""

    @override
    def topics(self) -> set[str]:
        return {*MadeSource.topics(self), RESOLUTIONS}

    @override
    def records(self, topic: str) -> Iterator[Record]:
        if topic != RESOLUTIONS:
            yield from MadeSource.records(self, topic)
            return
        decided = resolution(CLIENT, "A-1", Truth(outcome="SUCCEEDED", checkout_id="9-1"))
        for offset, value in enumerate((decided.value, b"garbage")):
            yield Record(Place(RESOLUTIONS, 0, offset), b"A-1", value)


def test_what_operators_decided_is_read(folder: Path) -> None:
    """As an operator writes it; what does not decode is kept, for it must have a dead letter."""
    source = SourceWithDecision(folder)
    history = gather(source, "paywizard.", lambda: book_of(book_lines(folder)), CLIENT)
    decided, garbage = history.resolutions
    assert decided[1:] == (Order(CLIENT, "A-1"), "SUCCEEDED", "9-1")
    assert garbage[1:] == (None, "", None)
    assert [each.record.place.offset for each in history.resolutions] == [0, 1]
    assert [finding.promise for finding in check(history).findings] == ["P3"]
