"""The offset map: which records of a partition are complete, as an offset and a short text.

Records complete out of order. Below `committed` everything is complete; above it the text lists
what is *incomplete* up to the highest complete record, so its length follows the number of
records in flight and not the span between the slowest and the fastest. Offsets have gaps
(transaction markers, compaction): a number that is never delivered is neither.
"""

import itertools
from dataclasses import dataclass, field
from typing import Final

DIGITS: Final = "0123456789abcdefghijklmnopqrstuvwxyz"
SEPARATOR: Final = "."


class BadMapError(ValueError):
    """The text is no offset map of this version."""


@dataclass(slots=True)
class OffsetMap:
    """What one tenure of a partition has read and completed.

    Everything below `_end` is complete or in `_incomplete`. `_awaited` holds what an earlier
    tenure left incomplete and this one has not read yet.
    """

    _end: int
    _incomplete: set[int] = field(default_factory=set)
    _awaited: set[int] = field(default_factory=set)
    _top: int = 0
    """One above the highest complete offset, as far as the text tells of it."""
    since: int = 0
    """Of what lies below nothing is known: somebody else moved the offset past it."""

    @classmethod
    def begin(cls, offset: int) -> "OffsetMap":
        """Begin where somebody else put the offset: of what lies below nothing is known."""
        return cls(offset, since=offset)

    @classmethod
    def resume(cls, committed: int, text: str = "", since: int = 0) -> "OffsetMap":
        """Begin where an earlier tenure ended; BadMapError for a text that is none."""
        incomplete, end = _read(committed, text)
        return cls(end, set(incomplete), set(incomplete), end, since)

    def deliver(self, offset: int) -> bool:
        """Note that a record was read; False if it is complete already and must be skipped.

        Records are read in the order of their offsets, so whatever was awaited below this one
        exists no more.
        """
        if self._awaited:
            gone = {awaited for awaited in self._awaited if awaited < offset}
            self._incomplete -= gone
            self._awaited -= gone
        if offset < self._end:
            self._awaited.discard(offset)
            return offset in self._incomplete
        self._incomplete.add(offset)
        self._end = offset + 1
        return True

    def complete(self, offset: int) -> None:
        """Note that a record's outputs are about to be committed with this map."""
        assert offset in self._incomplete, "only what was delivered can be completed, and once"
        self._incomplete.remove(offset)
        self._top = max(self._top, offset + 1)

    def is_complete(self, offset: int) -> bool:
        """Whether the record at `offset` needs nothing more, as far as was read or is known."""
        return self.knows(offset) and offset < self._end and offset not in self._incomplete

    def knows(self, offset: int) -> bool:
        """Whether a record at `offset` was either completed or is still to come."""
        return offset >= self.since

    def snapshot(self) -> "OffsetMap":
        """Return a copy that does not move on with this one."""
        incomplete, awaited = set(self._incomplete), set(self._awaited)
        return OffsetMap(self._end, incomplete, awaited, self._top, self.since)

    @property
    def committed(self) -> int:
        """The offset to commit: the lowest incomplete one, or the one after the last."""
        return min(self._incomplete, default=self._end)

    @property
    def text(self) -> str:
        """The map above `committed`: empty if nothing there is complete."""
        committed = self.committed
        if self._top <= committed:
            return ""
        listed = sorted(offset for offset in self._incomplete if offset < self._top)
        steps = [after - before for before, after in itertools.pairwise(listed)]
        return SEPARATOR.join(_base36(number) for number in (self._top - committed, *steps))

    @property
    def read_to(self) -> int:
        """One above the highest offset that was read, or that the text told of."""
        return self._end

    @property
    def in_hand(self) -> int:
        """How many records were read and are not complete."""
        return len(self._incomplete) - len(self._awaited)

    def next_wanted(self, position: int) -> int:
        """The first offset at or above `position` that is worth reading: complete runs are not."""
        if position >= self._end:
            return position
        ahead = [offset for offset in self._awaited if offset >= position]
        return min(ahead, default=self._end)

    @property
    def incomplete(self) -> frozenset[int]:
        """What was read, or is known from an earlier tenure, and is not complete."""
        return frozenset(self._incomplete)

    @property
    def span(self) -> int:
        """How far the highest complete record lies above the committed offset."""
        return max(0, self._top - self.committed)


def _read(committed: int, text: str) -> tuple[list[int], int]:
    """Return what is incomplete at or above `committed`, and the end of what the text tells of."""
    if not text:
        return [], committed
    try:
        span, *steps = (_number(part) for part in text.split(SEPARATOR))
    except ValueError:
        raise BadMapError("the offset map has a part that is no number") from None
    incomplete = [committed]
    for step in steps:
        incomplete.append(incomplete[-1] + step)
    if min([span, *steps]) < 1 or incomplete[-1] >= committed + span:
        raise BadMapError("the offset map does not ascend")
    return incomplete, committed + span


def _number(text: str) -> int:
    if not text or not set(text) <= set(DIGITS):
        raise ValueError
    return int(text, 36)


def _base36(number: int) -> str:
    text = ""
    while number:
        number, digit = divmod(number, 36)
        text = DIGITS[digit] + text
    return text or "0"
