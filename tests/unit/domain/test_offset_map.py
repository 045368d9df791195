"""The offset map: never past what is incomplete, and nothing twice after a restart."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.domain.offset_map import BadMapError, OffsetMap

GAPPED = st.sets(st.integers(0, 400), min_size=1, max_size=60).map(sorted)
"""Offsets as a partition has them: with gaps, from transaction markers and compaction."""


@dataclass
class Reader:
    """Reads a log through a map, as a worker does over several tenures."""

    log: list[int]
    completed: list[int] = field(default_factory=list)

    def tenure(self, committed: int, text: str, steps: list[int]) -> tuple[int, str]:
        """Read all, complete some (by index of what is in hand), commit, and lose the rest."""
        kept = OffsetMap.resume(committed, text)
        in_hand = [
            offset for offset in self.log if offset >= committed and kept.deliver(offset)
        ]
        for step in steps:
            if in_hand:
                offset = in_hand.pop(step % len(in_hand))
                kept.complete(offset)
                self.completed.append(offset)
        return kept.committed, kept.text


@given(GAPPED, st.lists(st.lists(st.integers(0, 1000), max_size=30), max_size=6))
def test_over_any_tenures_nothing_is_lost_and_nothing_comes_twice(
    log: list[int], tenures: list[list[int]]
) -> None:
    """P2, P3: what was committed as complete never comes back, and everything else does."""
    reader, committed, text = Reader(log), 0, ""
    for steps in tenures:
        committed, text = reader.tenure(committed, text, steps)
        open_offsets = set(log) - set(reader.completed)
        assert committed <= min(open_offsets, default=committed)
    reader.tenure(committed, text, [0] * len(log))
    assert sorted(reader.completed) == log


@given(st.permutations(range(12)), st.integers(0, 12))
def test_the_committed_offset_never_passes_unfinished_work(order: list[int], done: int) -> None:
    """P3: whatever completes first."""
    kept = OffsetMap.resume(0)
    for offset in range(12):
        assert kept.deliver(offset)
    for offset in order[:done]:
        kept.complete(offset)
    assert kept.committed == min(order[done:], default=12)


@given(GAPPED, st.data())
def test_the_text_says_exactly_what_is_incomplete(log: list[int], data: st.DataObject) -> None:
    """What is read back skips the complete ones and delivers the others."""
    kept = OffsetMap.resume(0)
    for offset in log:
        kept.deliver(offset)
    done = data.draw(st.sets(st.sampled_from(log)))
    for offset in done:
        kept.complete(offset)
    again = OffsetMap.resume(kept.committed, kept.text)
    delivered = {offset for offset in log if offset >= kept.committed and again.deliver(offset)}
    assert delivered == set(log) - done
    assert kept.text.isascii()


def test_a_record_that_is_gone_does_not_hold_the_offset_for_ever() -> None:
    """Retention or compaction took an incomplete record: what comes after it proves that."""
    kept = OffsetMap.resume(5, "5")
    assert kept.incomplete == {5}
    assert kept.deliver(12)
    kept.complete(12)
    assert (kept.committed, kept.text) == (13, "")


def test_ordered_completion_needs_no_text() -> None:
    """The usual case costs nothing."""
    kept = OffsetMap.resume(100)
    for offset in range(100, 110):
        kept.deliver(offset)
        kept.complete(offset)
    assert (kept.committed, kept.text) == (110, "")


def test_stragglers_fit() -> None:
    """500 orders a second with a 60 s straggler each second stay far below the broker's limit."""
    kept = OffsetMap.resume(10**9)
    for offset in range(10**9, 10**9 + 30_000):
        kept.deliver(offset)
        if offset % 500:
            kept.complete(offset)
    assert kept.span > 29_000
    assert len(kept.text) < 300


@pytest.mark.parametrize("text", ["x!", "-1", "0", "3.3", "5.0", "5.2.3", ".", "5..1", "A"])
def test_a_text_that_is_none_is_refused(text: str) -> None:
    """A damaged map must not be taken for knowledge."""
    with pytest.raises(BadMapError):
        OffsetMap.resume(10, text)
