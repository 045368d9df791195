"""The commit note: ours, another's, or a newer release's; never a guess."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.domain.commit_note import CommitNote, FutureNoteError, read_note

NOTE = CommitNote("ledger-1", "owner-1", 42, "topic-1", "a.b.c")


def test_a_note_reads_back() -> None:
    """What one release writes, it reads."""
    assert read_note(NOTE.text()) == NOTE
    assert NOTE.text().isascii()


@given(st.text())
def test_any_other_text_is_not_ours(text: str) -> None:
    """An operator's tool may write anything there; it means that nothing is known."""
    try:
        note = read_note(text)
    except FutureNoteError:
        assert text[0].isdecimal()
    else:
        assert note is None or note.text() == text


def test_a_newer_note_is_refused() -> None:
    """Ignoring what a newer release knows would execute it again."""
    with pytest.raises(FutureNoteError, match="newer release"):
        read_note("2;ledger;owner;1;topic;whatever;more")
