"""An operator's word: what is wrong with it, and what the ledger lets it do."""

import itertools
from dataclasses import replace
from typing import Any

import pytest

from tests.unit.domain.commands import CLIENT, NOW
from tests.unit.domain.test_claims import ENTRY
from worker.domain.entry import Entry, Published, Ruling, StoredOutcome
from worker.domain.outcomes import DeadLetterReason, DecidedBy
from worker.domain.replies import Answer, Doubt
from worker.domain.resolutions import (
    RESOLVING,
    Resolution,
    Ruled,
    Unusable,
    content_fault,
    judge,
    outcome_of,
)
from worker.domain.states import FINAL, UNDECIDED, State, next_state

CHECKOUT = "900000000000000001"
NOT_IN_DOUBT = Unusable(DeadLetterReason.NOT_IN_DOUBT)


def resolution(outcome: State = State.SUCCEEDED, **fields: Any) -> Resolution:
    """What an operator writes about the order."""
    usual: dict[str, Any] = {
        "client_id": CLIENT,
        "tran_order_no": ENTRY.tran_order_no,
        "outcome": outcome,
        "reason": "On the statement of 25 November.",
        "checkout_id": None,
        "operator": "ann",
        "requested_at": NOW,
    }
    return Resolution(**(usual | fields))


def malformed(field: str) -> Unusable:
    """What a resolution becomes that is wrong in this field."""
    return Unusable(DeadLetterReason.MALFORMED_RESOLUTION, field)


def known(
    checkout_id: str | None,
    decided_by: DecidedBy = DecidedBy.REPLY,
    doubt: Doubt | None = None,
) -> StoredOutcome:
    """What the ledger holds of an open order."""
    answer = Answer(http_status=200, code=200, result=2, checkout_id=checkout_id)
    reason = None if doubt is None else doubt.value
    return StoredOutcome(decided_by=decided_by, reason=reason, answer=answer)


def open_order(state: State, outcome: StoredOutcome) -> Entry:
    """An order that is published as open."""
    return replace(ENTRY, state=state, published=Published.FIRST, outcome=outcome)


# ── Malformed ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("outcome", RESOLVING)
def test_a_complete_resolution_has_no_fault(outcome: State) -> None:
    """Any of the three outcomes, with or without the checkoutId that was found."""
    assert content_fault(resolution(outcome)) is None
    longest = resolution(outcome, reason="é" * 256, operator="o" * 256)
    assert content_fault(longest) is None
    if outcome is not State.NOT_EXECUTED:
        assert content_fault(resolution(outcome, checkout_id="9" * 64)) is None


@pytest.mark.parametrize(
    ("field", "fields"),
    [
        *[("tranOrderNo", {"tran_order_no": text}) for text in ("", "\n", "T" * 65)],
        *[
            (name, {name: text})
            for name in ("reason", "operator")
            for text in ("", "   ", "a\nb", "a\x00", "r" * 257)
        ],
        *[("checkoutId", {"checkout_id": text}) for text in ("", "\x7f", "9" * 65)],
    ],
)
def test_an_incomplete_resolution_names_its_field(field: str, fields: dict[str, Any]) -> None:
    """Who decided and why is kept for good: it has to be there, and legible."""
    assert content_fault(resolution(**fields)) == malformed(field)


def test_what_never_took_effect_has_no_checkout_id() -> None:
    """Whoever found one has found an effect."""
    contrary = resolution(State.NOT_EXECUTED, checkout_id=CHECKOUT)
    assert content_fault(contrary) == malformed("checkoutId")


# ── What it may do ──────────────────────────────────────────────────────────────────────────


def test_an_unknown_order_is_not_in_doubt() -> None:
    """A resolution never claims."""
    assert judge(None, resolution()) == NOT_IN_DOUBT


@pytest.mark.parametrize(
    ("state", "published", "outcome"), list(itertools.product(State, Published, RESOLVING))
)
def test_every_state_applies_repeats_waits_or_refuses(
    state: State, published: Published, outcome: State
) -> None:
    """P2: only what is published as open is decided; what ended otherwise stays as it is."""
    entry = replace(ENTRY, state=state, published=published, outcome=known(None))
    judged = judge(entry, resolution(outcome))
    if state in FINAL:
        assert judged == (Ruled.REPEATED if state is outcome else NOT_IN_DOUBT)
    elif state not in UNDECIDED or published is Published.NOTHING:
        assert judged is Ruled.WAIT
    else:
        assert judged is Ruled.APPLY


@pytest.mark.parametrize("outcome", RESOLVING)
@pytest.mark.parametrize("state", UNDECIDED)
def test_an_applied_resolution_ends_the_order_as_it_says(state: State, outcome: State) -> None:
    """Each of the three outcomes is an arrow out of both open states."""
    assert next_state(state, RESOLVING[outcome]) is outcome


@pytest.mark.parametrize(
    "outcome",
    [
        known(CHECKOUT),
        known(CHECKOUT, DecidedBy.STATUS_QUERY),
        known(CHECKOUT, DecidedBy.WORKER, Doubt.PENDING_TOO_LONG),
    ],
)
@pytest.mark.parametrize("state", UNDECIDED)
def test_a_proven_checkout_id_is_not_contradicted(state: State, outcome: StoredOutcome) -> None:
    """PayWizard gave it for this order: it has another one, and it had an effect or a refusal."""
    entry = open_order(state, outcome)
    other = resolution(checkout_id="900000000000000099")
    assert judge(entry, other) == malformed("checkoutId")
    assert judge(entry, resolution(State.NOT_EXECUTED)) == malformed("outcome")
    for agreeing in (
        resolution(checkout_id=CHECKOUT),
        resolution(State.DECLINED, checkout_id=CHECKOUT),
        resolution(),
        resolution(State.DECLINED),
    ):
        assert judge(entry, agreeing) is Ruled.APPLY


@pytest.mark.parametrize("doubt", [doubt for doubt in Doubt if doubt != "PENDING_TOO_LONG"])
def test_a_checkout_id_from_a_garbled_answer_binds_nobody(doubt: Doubt) -> None:
    """It may be anybody's; the operator has looked."""
    entry = open_order(State.IN_DOUBT, known(CHECKOUT, DecidedBy.WORKER, doubt))
    assert judge(entry, resolution(checkout_id="900000000000000099")) is Ruled.APPLY
    assert judge(entry, resolution(State.NOT_EXECUTED)) is Ruled.APPLY


# ── What is stored ──────────────────────────────────────────────────────────────────────────


def test_who_decided_and_why_is_stored_with_what_paywizard_said() -> None:
    """The ruling stands beside the answer; the pending `result` is overtaken."""
    entry = open_order(State.PENDING, known(CHECKOUT))
    assert entry.outcome is not None
    assert outcome_of(entry, resolution()) == StoredOutcome(
        decided_by=DecidedBy.OPERATOR,
        answer=replace(entry.outcome.answer, result=None),
        ruling=Ruling("ann", "On the statement of 25 November.", NOW),
    )


def test_the_operators_checkout_id_is_the_orders_from_now_on() -> None:
    """Later voids and tips need it."""
    doubtful = known(None, DecidedBy.WORKER, Doubt.TIMEOUT)
    for entry in (open_order(State.IN_DOUBT, doubtful), replace(ENTRY, outcome=None)):
        stored = outcome_of(entry, resolution(checkout_id=CHECKOUT))
        assert stored.answer.checkout_id == CHECKOUT
        assert stored.reason is None


def test_what_an_operator_wrote_is_not_in_logs_by_accident() -> None:
    """A reason is free text: nobody prints it with the object."""
    assert "statement" not in repr(resolution())
    entry = open_order(State.IN_DOUBT, known(None))
    assert "statement" not in repr(outcome_of(entry, resolution()))
