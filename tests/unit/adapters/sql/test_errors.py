"""What becomes of the databases' errors: outages, values that cannot be stored, and our mistakes."""

import sqlite3

import psycopg
import pytest
from psycopg import errors
from sqlalchemy.exc import IntegrityError, OperationalError, ProgrammingError, StatementError

from worker.adapters.sql.errors import foreign_errors, is_busy, is_undone
from worker.application.ports import LedgerDataError, LedgerUnavailableError

CARD_NUMBER = "6000 0001 0203"


def an_error(state: str) -> psycopg.Error:
    """What the server says under an SQLSTATE."""
    return errors.lookup(state)(f"the row {CARD_NUMBER}")


@pytest.mark.parametrize(
    ("state", "sentence"),
    [
        ("08006", "its connection is lost"),
        ("25006", "it may only be read"),
        ("28P01", "its server refuses our login"),
        ("3D000", "its server has no such database"),
        ("40001", "another process was in the way"),
        ("40P01", "another process was in the way"),
        ("53100", "its disk is full"),
        ("53200", "its server is short of memory"),
        ("53300", "its server has too many connections"),
        ("53400", "its server is short of resources"),
        ("55P03", "another process is writing to it for too long"),
        ("57014", "the statement was cancelled"),
        ("57P01", "its server is stopping or starting"),
        ("57P03", "its server is stopping or starting"),
        ("58030", "its server reports a system error"),
        ("XX000", "its server reports an internal error"),
        ("55006", "its server refuses"),
    ],
)
def test_what_happens_to_a_server_is_an_outage(state: str, sentence: str) -> None:
    """Each has a sentence of its own with the SQLSTATE, and never the server's own words."""
    for error in (an_error(state), OperationalError("SELECT", {}, an_error(state))):
        with (
            pytest.raises(LedgerUnavailableError, match=f"{sentence}.*{state}") as outage,
            foreign_errors(),
        ):
            raise error
        assert CARD_NUMBER not in str(outage.value)


@pytest.mark.parametrize(
    "error",
    [
        an_error("22001"),
        an_error("54000"),
        an_error("22P05"),
        an_error("23502"),
        an_error("23514"),
        sqlite3.IntegrityError(CARD_NUMBER),
        IntegrityError("INSERT", {}, sqlite3.IntegrityError(CARD_NUMBER)),
        OverflowError(CARD_NUMBER),
        UnicodeEncodeError("utf-8", CARD_NUMBER, 0, 1, "surrogates not allowed"),
        StatementError(CARD_NUMBER, "INSERT", {}, ValueError(CARD_NUMBER)),
    ],
)
def test_a_value_that_cannot_be_stored_is_told_without_it(error: Exception) -> None:
    """P10: neither the error nor what led to it carries the value."""
    with pytest.raises(LedgerDataError, match="cannot store this") as refusal, foreign_errors():
        raise error
    assert CARD_NUMBER not in str(refusal.value)
    assert refusal.value.__cause__ is None
    assert refusal.value.__suppress_context__


@pytest.mark.parametrize(
    "error",
    [
        an_error("42703"),
        an_error("25P02"),
        sqlite3.ProgrammingError("wrong number of parameters"),
        ProgrammingError("SELECT", {}, an_error("42P01")),
        ValueError("of our own"),
    ],
)
def test_our_own_mistakes_pass(error: Exception) -> None:
    """A statement that makes no sense is no outage."""
    with pytest.raises(type(error)) as passed, foreign_errors():
        raise error
    assert passed.value is error


def test_only_what_the_server_undid_itself_is_tried_again() -> None:
    """A deadlock or a serialisation failure has certainly not been applied."""
    undone = {
        state for state in ("40001", "40P01", "55P03", "57014") if is_undone(an_error(state))
    }
    assert undone == {"40001", "40P01"}
    assert [is_busy(an_error(state)) for state in ("55P03", "40P01")] == [True, False]
