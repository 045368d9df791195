"""Doctored dead letters: one missing, altered, unexplained or indiscreet is found, and named."""

from dataclasses import replace
from typing import Any

import pytest

from ops.proof.checker import Verdict, check
from ops.proof.history import Card, Headers, History, Place, digest
from tests.unit.proof.healthy_run import (
    CONFLICT,
    GARBAGE,
    IDLE,
    OPEN,
    POOR,
    RICH,
    Run,
    broken,
    doctor,
    order,
)


def letter_of(history: History, original: Place, **changes: Any) -> None:
    """Change the dead letter of one record."""
    doctor(history.dead_letters, lambda letter: letter.original == original, **changes)


def header(history: History, original: Place, name: str, value: bytes) -> None:
    """Give the dead letter of one record the header `name` with `value`, in place of its own."""
    (letter,) = [each for each in history.dead_letters if each.original == original]
    kept = tuple(pair for pair in letter.headers if pair[0] != name)
    letter_of(history, original, headers=(*kept, (name, value)))


@pytest.mark.parametrize(
    ("original", "finding"),
    [(GARBAGE, ("P3", f"record {GARBAGE}")), (CONFLICT, ("P5", str(order("paid"))))],
)
def test_a_missing_dead_letter_is_found(
    history: History, original: Place, finding: tuple[str, str]
) -> None:
    """P3, P5: what is not executed under its number leads to a dead letter."""
    history.dead_letters = [x for x in history.dead_letters if x.original != original]
    verdict = check(history)
    assert broken(verdict) == [finding]
    assert str(original) in verdict.sentence


@pytest.mark.parametrize("original", [GARBAGE, CONFLICT])
def test_a_second_dead_letter_is_found(history: History, original: Place) -> None:
    """P2: one record leads to one dead letter."""
    (letter,) = [x for x in history.dead_letters if x.original == original]
    history.dead_letters.append(replace(letter, place=letter.place._replace(offset=99)))
    assert len(check(history).findings) == 1


def test_a_second_dead_letter_of_a_resolution_is_found(history: History) -> None:
    """P2: an operator's record is completed once, as any other."""
    (resolution,) = history.resolutions
    (letter,) = [x for x in history.dead_letters if x.original == resolution.record.place]
    history.dead_letters.append(replace(letter, place=letter.place._replace(offset=99)))
    assert broken(check(history)) == [("P2", "dead letter paywizard.dead-letters[0]@99")]


@pytest.mark.parametrize("field", ["value_digest", "key_digest"])
def test_altered_bytes_in_a_dead_letter_are_found(history: History, field: str) -> None:
    """P3: a dead letter holds the original's key and bytes, so that it can be sent again."""
    letter_of(history, GARBAGE, **{field: digest(b"altered")})
    verdict = check(history)
    assert broken(verdict) == [("P3", "dead letter paywizard.dead-letters[0]@0")]
    assert "altered" in verdict.sentence


def with_headers(sent: Headers, kept: Headers) -> Verdict:
    """Check a run whose one garbage record had the headers `sent`, and its letter has `kept`."""
    run = Run()
    letter = run.dead_letter(run.garbage(sent), "BAD_FRAME")
    headers = (*letter.headers[len(sent) :], *kept)
    run.history.dead_letters[0] = replace(letter, headers=headers)
    return check(run.history)


TRACE = (("trace", b"1"), ("tenant", b"2"))
MANY = (("trace", b"x" * 8192),)
CUT = ("dlq.excerpt.sha256", b"a hash")


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        (TRACE, ()),
        (TRACE, TRACE[1:]),
        (TRACE, TRACE[::-1]),
        (TRACE, (*TRACE, ("card", b"3"))),
        (TRACE, (("trace", b"2"), *TRACE[1:])),
        (TRACE, (CUT,)),
        (MANY, ()),
    ],
)
def test_altered_headers_in_a_dead_letter_are_found(sent: Headers, kept: Headers) -> None:
    """P3: a record that is sent again has the headers that it had."""
    verdict = with_headers(sent, kept)
    assert broken(verdict) == [("P3", "dead letter paywizard.dead-letters[0]@0")]
    assert "altered headers" in verdict.sentence


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        (TRACE, (*TRACE, ("dlq.error.field", b"amount"))),
        (TRACE, (CUT, *TRACE)),
        (MANY, (CUT,)),
        (((("dlq.reason", b"a producer's"), ("redrive.by", b"x"), ("replayed", b"true"))), ()),
    ],
)
def test_headers_that_are_ours_to_set_are_no_alteration(sent: Headers, kept: Headers) -> None:
    """A producer's own of these names are not carried over, and an excerpt leaves many out."""
    assert with_headers(sent, kept).holds


@pytest.mark.parametrize(
    ("name", "value"),
    [("dlq.reason", b"BAD_LUCK"), ("dlq.message", b" "), ("dlq.reason", b"CONFLICT")],
)
def test_an_unexplained_dead_letter_is_found(history: History, name: str, value: bytes) -> None:
    """P11: bad input gets a reason from the closed list, and a sentence."""
    header(history, GARBAGE, name, value)
    assert broken(check(history)) == [("P11", "dead letter paywizard.dead-letters[0]@0")]


@pytest.mark.parametrize(
    "reason", ["TOMBSTONE", "TOO_LARGE", "NOT_IN_DOUBT", "MALFORMED_RESOLUTION", "INVALID"]
)
def test_a_reason_that_the_original_cannot_have_had_is_found(
    history: History, reason: str
) -> None:
    """P11: who is told that a client is unknown looks in vain for what is wrong with the bytes."""
    header(history, GARBAGE, "dlq.reason", reason.encode())
    verdict = check(history)
    assert broken(verdict) == [("P11", "dead letter paywizard.dead-letters[0]@0")]
    assert f"says {reason}, where only BAD_FRAME can be true" in verdict.sentence


@pytest.mark.parametrize("reason", ["CONFLICT", "TOMBSTONE"])
def test_a_resolution_with_a_value_is_neither_null_nor_in_conflict(
    history: History, reason: str
) -> None:
    """P11: of a record that nobody decoded its value is known, and that it claims no number."""
    (resolution,) = history.resolutions
    header(history, resolution.record.place, "dlq.reason", reason.encode())
    assert {promise for promise, _ in broken(check(history))} == {"P11"}


def test_a_dead_letter_of_nothing_is_found(history: History) -> None:
    """P2: a dead letter keeps a record that was sent; here the garbage loses its own, too."""
    header(history, GARBAGE, "dlq.original.offset", b"77")
    assert {promise for promise, _ in broken(check(history))} == {"P2", "P3"}


@pytest.mark.parametrize("card", [RICH, POOR, OPEN, IDLE])
def test_a_leaked_card_number_is_found_but_not_repeated(history: History, card: Card) -> None:
    """P10: no diagnosis shows a card number, and neither does the finding."""
    header(history, GARBAGE, "dlq.error.field", f"accountId={card.account_id}!".encode())
    verdict = check(history)
    assert broken(verdict) == [("P10", "dead letter paywizard.dead-letters[0]@0")]
    assert "dlq.error.field" in verdict.sentence
    assert card.account_id not in verdict.sentence
