"""Dead letters that were redriven, on both databases: remembered before they are, and counted on."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from worker.adapters.sql.operating import OperatorsLedger
from worker.adapters.sql.redrives import Redriven, begin, placed, redriven
from worker.application.letters import Letter, Position

pytestmark = pytest.mark.integration

LETTER = Letter(
    position=Position("letters", 2, 145),
    key=b"key",
    value=b"value",
    headers=(),
    reason="UNKNOWN_SCHEMA",
    error_field=None,
    topic="paywizard.commands.payment",
    partition=3,
    offset=2**40,
    timestamp=datetime(2026, 2, 3, tzinfo=UTC),
    failed_at=datetime(2026, 2, 3, tzinfo=UTC),
    is_excerpt=False,
)


def noted(url: str, letter: Letter = LETTER, known: Redriven | None = None) -> Redriven | None:
    """Note a redrive of a letter of which so much is known, in an SQL transaction of its own."""
    with OperatorsLedger.opened(url) as ledger, ledger.writing() as connection:
        return begin(connection, letter, "duty-1", known)


def known(url: str, letter: Letter = LETTER) -> Redriven | None:
    """Read whether a letter was redriven."""
    with OperatorsLedger.opened(url) as ledger, ledger.reading() as connection:
        return redriven(connection, letter.position)


def test_a_letter_is_redriven_once_even_if_nobody_knows_whether_it_was(url: str) -> None:
    """A crash between the note and the record leaves a note without a place: that counts."""
    assert known(url) is None
    first = noted(url)
    assert first is not None
    assert (first.times, first.by, first.placed) == (1, "duty-1", None)
    assert known(url) == first
    assert noted(url) is None


def test_who_insists_may_redrive_again(url: str) -> None:
    """It is counted, and what was known of the earlier record's place no longer holds."""
    first = noted(url)
    with OperatorsLedger.opened(url) as ledger, ledger.writing() as connection:
        placed(connection, LETTER.position, ("t", 0, 1))
    second = noted(url, known=first)
    assert second is not None
    assert (second.times, second.placed) == (2, None)
    assert known(url) == second
    assert noted(url, known=first) is None, "somebody insisted already"


@pytest.mark.parametrize("again", [False, True])
def test_of_two_operators_at_once_one_redrives(url: str, again: bool) -> None:
    """Both decide upon the same letters, having seen the same; each letter goes once."""
    letters = [replace(LETTER, position=Position("letters", 0, n)) for n in range(20)]
    seen = [noted(url, letter) if again else None for letter in letters]

    def redrive_all(_: int) -> list[int]:
        done = []
        with OperatorsLedger.opened(url) as ledger:
            for letter, before in zip(letters, seen, strict=True):
                with ledger.writing() as connection:
                    if begin(connection, letter, "duty", before) is not None:
                        done.append(letter.position.offset)
        return done

    with ThreadPoolExecutor(2) as threads:
        first, second = threads.map(redrive_all, range(2))
    assert sorted(first + second) == list(range(20))


def test_another_topic_of_the_same_name_has_other_letters(url: str) -> None:
    """A recreated topic reuses offsets, not its id."""
    noted(url)
    assert noted(url, replace(LETTER, position=Position("letters-2", 2, 145))) is not None


def test_the_count_goes_on_when_the_record_fails_again(url: str) -> None:
    """The letter that a redriven record became is known by where that record lay."""
    noted(url, known=noted(url))
    with OperatorsLedger.opened(url) as ledger, ledger.writing() as connection:
        placed(connection, LETTER.position, ("paywizard.commands.payment", 4, 99))
    follows = replace(LETTER, position=Position("letters", 2, 200), partition=4, offset=99)
    third = noted(url, follows)
    assert third is not None
    assert third.times == 3
    unrelated = noted(url, replace(follows, position=Position("letters", 2, 201), offset=98))
    assert unrelated is not None
    assert unrelated.times == 1
