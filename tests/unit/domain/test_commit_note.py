"""The commit note: ours, another's, or a newer release's; never a guess."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.domain.commit_note import CommitNote, FutureNoteError, read_note

NOTE = CommitNote("ledger-1", "owner-1", 42, "topic-1", "a.b.c", 17)


def test_a_note_reads_back() -> None:
    """What one release writes, it reads."""
    assert read_note(NOTE.text()) == NOTE
    assert NOTE.text().isascii()


def test_a_note_without_a_beginning_of_its_own_holds_from_the_start() -> None:
    """Version 1: what an earlier release left is read, and nothing of it is executed again."""
    written = "1;ledger-1;owner-1;42;topic-1;a.b.c"
    assert read_note(written) == replace(NOTE, since=0)


@given(st.text())
def test_any_other_text_is_not_ours(text: str) -> None:
    """An operator's tool may write anything there; it means that nothing is known."""
    try:
        note = read_note(text)
    except FutureNoteError:
        assert text[0].isdecimal()
    else:
        assert note is None


def test_a_newer_note_is_refused() -> None:
    """Ignoring what a newer release knows would execute it again."""
    with pytest.raises(FutureNoteError, match="newer release"):
        read_note("3;ledger;owner;1;topic;whatever;more")
