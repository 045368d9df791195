"""A log line about a command says what is allowed and nothing else."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

from worker.domain.card import Card
from worker.domain.entry import Entry, Request, Source, StoredOutcome
from worker.domain.money import Money
from worker.domain.operations import Operation
from worker.domain.outcomes import DecidedBy
from worker.domain.replies import Answer
from worker.domain.states import State
from worker.observability.views import command_view

CARD_NUMBER = "4111111111111111"
ALLOWED = {
    *("tran_order_no", "client_id", "operation", "status", "reason", "topic", "partition"),
    *("offset", "attempts", "duration_seconds", "http_status", "paywizard_code"),
    *("ledger_state", "account"),
}

CLAIMED = Entry(
    client_id="gift-shop",
    tran_order_no="A1",
    fingerprint="1:f",
    operation=Operation.ISSUE_POINTS,
    card=Card("gift-shop", "web", CARD_NUMBER),
    source=Source("id", "paywizard.commands.points", 3, 77),
    request=Request(
        received_at=datetime(2026, 1, 1, tzinfo=UTC),
        money=Money(Decimal("12.34"), "USD"),
        headers=(("secret", b"hush"),),
    ),
    owner="me",
)
DECIDED = replace(
    CLAIMED,
    state=State.DECLINED,
    attempts=2,
    outcome=StoredOutcome(
        decided_by=DecidedBy.REPLY, answer=Answer(http_status=200, code=200, msg="Ada, no")
    ),
)


def test_the_keys_are_always_the_same_and_all_allowed() -> None:
    """One line per command, with the keys that operators search for."""
    assert set(command_view(CLAIMED)) == set(command_view(DECIDED)) == ALLOWED


def test_a_decided_command_says_how_it_ended() -> None:
    """State, attempts, answer and place, in the words of the catalogue."""
    view = command_view(DECIDED, duration_seconds=1.23456)
    assert view["operation"] == "issue_points"
    assert (view["status"], view["ledger_state"]) == ("DECLINED", "DECLINED")
    assert (view["http_status"], view["paywizard_code"], view["attempts"]) == (200, 200, 2)
    assert view["duration_seconds"] == 1.235
    assert (view["topic"], view["partition"], view["offset"]) == (
        *("paywizard.commands.points", 3, 77),
    )


def test_a_command_that_is_still_open_has_no_status() -> None:
    """CLAIMED is a state of the ledger, no outcome."""
    view = command_view(CLAIMED)
    assert (view["status"], view["ledger_state"]) == (None, "CLAIMED")


def test_another_record_of_the_order_is_named_by_its_own_place() -> None:
    """A duplicate's line leads to the duplicate."""
    assert command_view(DECIDED, source=Source("id", "other", 1, 2))["offset"] == 2


def test_nothing_personal_is_in_a_view() -> None:
    """The card is masked; amounts, headers and PayWizard's message are left out."""
    text = str(command_view(DECIDED))
    assert "****1111" in text
    for hidden in (CARD_NUMBER, "12.34", "hush", "Ada"):
        assert hidden not in text


def test_a_void_without_a_card_has_none() -> None:
    """Nobody may know the card of a void."""
    assert command_view(replace(CLAIMED, card=None))["account"] is None
