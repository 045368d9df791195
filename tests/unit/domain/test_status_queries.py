"""What is asked about an order, and what an answer may prove: the whole table."""

from dataclasses import replace

import pytest

from tests.unit.domain.commands import ACCOUNT, ACTIVATE, ALL, INQUIRY, NOW, VOID, changed
from tests.unit.domain.queried import (
    BY_CARD,
    BY_CHECKOUT,
    BY_NUMBER,
    BY_ORIGINAL,
    CHECKOUT,
    DECIDING,
    MID,
    ORIGINAL,
    STATES,
    STRANGER,
    doubt,
    found,
    is_evidence,
    judged,
    open_entry,
    pending,
)
from worker.domain.commands import Command
from worker.domain.entry import Entry, StoredOutcome, numbered, request_of
from worker.domain.outcomes import DecidedBy
from worker.domain.replies import (
    Answer,
    Approved,
    Declined,
    Doubt,
    NoAnswer,
    NotSent,
    NotSentCause,
    OrderFound,
    OrderNotFound,
    Pending,
    QueryAnswer,
    Refused,
    Reply,
    Throttled,
)
from worker.domain.states import Event, State, next_state
from worker.domain.status_queries import Kind, Question, question_for

MOVING = [command for command in ALL if command not in (INQUIRY, ACTIVATE, VOID)]
PENDING = StoredOutcome(
    decided_by=DecidedBy.REPLY, answer=Answer(checkout_id=CHECKOUT, result=2)
)


# ── What is asked ───────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("by_order_number", [True, False])
@pytest.mark.parametrize("outcome", [None, doubt(None), doubt(CHECKOUT), PENDING])
@pytest.mark.parametrize("command", ALL)
def test_every_operation_is_asked_about_in_its_way(
    command: Command, outcome: StoredOutcome | None, by_order_number: bool
) -> None:
    """By its proven checkoutId, else by its number where that is wanted (G5); card and original else.

    A checkoutId in a garbled answer may be anybody's: nothing is asked by it.
    """
    entry = open_entry(command, outcome=outcome)
    question = question_for(entry, by_order_number=by_order_number)
    if command in (INQUIRY, VOID):
        assert question is None
    elif command is ACTIVATE:
        assert question == BY_CARD
    elif outcome is PENDING:
        assert question == BY_CHECKOUT
    else:
        assert question == (BY_NUMBER if by_order_number else None)


@pytest.mark.parametrize("by_order_number", [True, False])
@pytest.mark.parametrize("outcome", [doubt(None), doubt(CHECKOUT)])
def test_a_void_is_asked_about_by_its_original(
    outcome: StoredOutcome, by_order_number: bool
) -> None:
    """Section 5: what a void's own checkoutId shows is undocumented; the original it holds first."""
    named = request_of(changed(VOID, original_checkout_id=ORIGINAL), NOW, ())
    for entry in (
        open_entry(VOID, outcome=outcome, takes=ORIGINAL),
        open_entry(VOID, outcome=outcome, request=named),
        open_entry(
            VOID,
            outcome=outcome,
            takes=ORIGINAL,
            request=replace(named, original_checkout_id=STRANGER),
        ),
    ):
        assert question_for(entry, by_order_number=by_order_number) == BY_ORIGINAL


def test_an_activation_without_a_card_is_not_asked_about() -> None:
    """There is nothing to ask by (G9)."""
    assert question_for(open_entry(ACTIVATE, card=None), by_order_number=True) is None


# ── What a found order proves ───────────────────────────────────────────────────────────────


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("command", MOVING)
def test_a_state_found_by_a_proven_checkout_id_decides_or_is_evidence(
    command: Command, state: int
) -> None:
    """Section 5: pending, completed, closed; whoever was undone since is for an operator (G17)."""
    finding = judged(pending(command), BY_CHECKOUT, found(state, amount=None))
    assert finding.event is DECIDING.get(state)
    if state in DECIDING:
        open_still = state == 1
        assert finding.kind is (Kind.STILL_OPEN if open_still else Kind.DECIDED)
        assert open_still or next_state(State.PENDING, DECIDING[state])
    else:
        assert is_evidence(finding)


@pytest.mark.parametrize("state", [1, 2, 3, 5])
@pytest.mark.parametrize("checkout_id", [STRANGER, None])
def test_another_order_decides_nothing(state: int, checkout_id: str | None) -> None:
    """What answers for another checkoutId than was asked for is not about this order."""
    answer = found(state, checkout_id=checkout_id)
    assert is_evidence(judged(pending(), BY_CHECKOUT, answer))
    void = open_entry(VOID, takes=ORIGINAL)
    assert is_evidence(judged(void, BY_ORIGINAL, answer))


@pytest.mark.parametrize("state", [1, 2, 3, 5])
def test_another_merchant_decides_nothing(state: int) -> None:
    """P14: a client's order is never decided by another client's."""
    answer = found(state, mid="200000000002")
    assert is_evidence(judged(pending(), BY_CHECKOUT, answer))
    assert is_evidence(judged(open_entry(), BY_NUMBER, answer))
    void = open_entry(VOID, takes=ORIGINAL)
    assert is_evidence(judged(void, BY_ORIGINAL, replace(answer, checkout_id=ORIGINAL)))


@pytest.mark.parametrize(
    ("told_before", "amount", "decides"),
    [
        ("10000", "10000", True),
        ("10000", "10000.00", True),
        ("a b", "a b", True),
        ("10000", "10.5", True),
        ("10000", "105000", True),
        (None, "10.5", True),
        ("10000", None, True),
        (None, None, True),
        ("10000", "77", False),
        (None, "77", False),
        ("a b", "c d", False),
        (None, "", False),
    ],
)
def test_by_a_proven_checkout_id_the_amount_is_as_told_before_or_as_asked(
    told_before: str | None, amount: str | None, decides: bool
) -> None:
    """G3: the amount is opaque, so what PayWizard itself said of the order counts too."""
    entry = pending(amount=told_before)
    finding = judged(entry, BY_CHECKOUT, found(amount=amount))
    assert (finding.event is Event.APPROVED) == decides
    assert is_evidence(finding) != decides


def test_a_checkout_id_stays_proven_when_pending_took_too_long() -> None:
    """PayWizard gave it with an answer of its own; time does not change that."""
    outcome = replace(
        doubt(CHECKOUT, Doubt.PENDING_TOO_LONG), answer=Answer(checkout_id=CHECKOUT)
    )
    entry = open_entry(outcome=outcome)
    assert judged(entry, BY_CHECKOUT, found(amount=None), None).event is Event.APPROVED


def test_what_was_found_is_stored_over_what_was_known() -> None:
    """PayWizard's own ids, for later voids and tips; the earlier result is overtaken."""
    entry = pending()
    assert entry.outcome is not None
    answer = found(trans_index_code="100000000010000000001", amount="10.5")
    finding = judged(entry, BY_CHECKOUT, answer)
    assert finding.outcome is not None
    assert finding.outcome.answer == replace(
        entry.outcome.answer,
        result=None,
        mid=MID,
        trans_index_code="100000000010000000001",
        amount="10.5",
    )
    finding = judged(open_entry(), BY_NUMBER, found())
    assert finding.outcome is not None
    assert finding.outcome.answer.checkout_id == CHECKOUT
    bare = OrderFound(state=2, checkout_id=CHECKOUT)
    kept = judged(pending(), BY_CHECKOUT, bare)
    assert kept.outcome is not None
    assert (kept.outcome.answer.checkout_id, kept.outcome.answer.amount) == (CHECKOUT, "10000")


# ── Voids and activations ───────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("state", STATES)
def test_only_a_revoked_original_proves_its_void(state: int) -> None:
    """Section 5: confirmed by state 3; that it stands proves nothing, the void may be on its way."""
    void = open_entry(VOID, takes=ORIGINAL)
    finding = judged(void, BY_ORIGINAL, found(state, checkout_id=ORIGINAL, amount="1"))
    assert finding.event is (Event.APPROVED if state == 3 else None)
    assert is_evidence(finding) == (state != 3)


def test_a_revoked_original_proves_nothing_for_a_void_that_does_not_hold_it() -> None:
    """Another void may have revoked it."""
    named = request_of(changed(VOID, original_checkout_id=ORIGINAL), NOW, ())
    void = open_entry(VOID, request=named)
    assert is_evidence(judged(void, BY_ORIGINAL, found(3, checkout_id=ORIGINAL)))


@pytest.mark.parametrize("takes", [ORIGINAL, numbered("T-0"), None])
def test_a_revoked_original_proves_nothing_for_a_void_that_a_lost_ledger_sent(
    takes: str | None,
) -> None:
    """It holds it now, but a void that nobody remembers may have revoked it before (P9)."""
    named = request_of(changed(VOID, original_checkout_id=ORIGINAL), NOW, ())
    adopted = doubt(None, Doubt.ADOPTED_LEDGER)
    void = open_entry(VOID, takes=takes, request=named, outcome=adopted)
    assert question_for(void, by_order_number=True) == BY_ORIGINAL
    assert is_evidence(judged(void, BY_ORIGINAL, found(3, checkout_id=ORIGINAL)))


def test_a_void_whose_original_is_known_by_number_only_is_not_asked_about() -> None:
    """A number is no checkoutId."""
    void = open_entry(VOID, takes=numbered("T-0"))
    assert question_for(void, by_order_number=True) is None


def test_a_void_does_not_take_its_originals_identity() -> None:
    """The original's checkoutId leads to the payment; a garbled answer's may lead to anybody."""
    answered = StoredOutcome(
        decided_by=DecidedBy.REPLY, answer=Answer(checkout_id=CHECKOUT, result=2)
    )
    for outcome, known in ((doubt(None), None), (doubt(CHECKOUT), None), (answered, CHECKOUT)):
        void = open_entry(VOID, takes=ORIGINAL, outcome=outcome)
        finding = judged(void, BY_ORIGINAL, found(3, checkout_id=ORIGINAL))
        assert finding.outcome is not None
        answer = finding.outcome.answer
        assert (answer.checkout_id, answer.ori_checkout_id) == (known, ORIGINAL)
        assert (answer.amount, answer.mid) == (None, None)


@pytest.mark.parametrize(
    ("activating", "decides"), [(True, True), (False, False), (None, False)]
)
def test_a_card_that_answers_proves_an_activation_and_nothing_else(
    activating: bool | None, decides: bool
) -> None:
    """G9: what `activating: "N"` asks for is unexplained, so the card cannot show it."""
    entry = open_entry(ACTIVATE)
    entry = replace(entry, request=replace(entry.request, activating=activating))
    finding = judged(entry, BY_CARD, Approved(Answer(http_status=200, code=200)))
    assert (finding.event is Event.APPROVED) == decides
    assert is_evidence(finding) != decides


# ── What is no answer ───────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (OrderNotFound(Answer(http_status=200, code=200)), Kind.NOT_FOUND),
        (OrderNotFound(Answer(http_status=200, code=404)), Kind.NOT_FOUND),
        *[(NoAnswer(doubt, Answer(checkout_id=CHECKOUT)), Kind.NO_ANSWER) for doubt in Doubt],
        *[(NotSent(cause), Kind.NO_ANSWER) for cause in NotSentCause],
        (Throttled(5.0, Answer(http_status=429)), Kind.NO_ANSWER),
        (Refused(Answer(http_status=200, code=404)), Kind.NO_ANSWER),
        (Refused(Answer(http_status=401)), Kind.NO_ANSWER),
        (Declined(Answer(result=1)), Kind.NO_ANSWER),
        (Pending(Answer(result=2)), Kind.NO_ANSWER),
    ],
)
@pytest.mark.parametrize(
    ("entry", "question"),
    [
        (pending(), BY_CHECKOUT),
        (open_entry(), BY_NUMBER),
        (open_entry(VOID, takes=ORIGINAL), BY_ORIGINAL),
        (open_entry(ACTIVATE), BY_CARD),
    ],
)
def test_what_is_not_found_or_not_answered_decides_nothing(
    entry: Entry, question: Question, answer: QueryAnswer | Reply, kind: Kind
) -> None:
    """P4, G6: neither "not found" nor a failure of the question says what became of the order."""
    finding = judged(entry, question, answer)
    assert (finding.kind, finding.event, finding.outcome) == (kind, None, None)


def test_what_is_kept_of_a_refused_question_says_why() -> None:
    """An operator sees status and code, not the message."""
    refused = Refused(Answer(http_status=200, code=403, msg="a secret"))
    assert judged(open_entry(), BY_NUMBER, refused).said == "refused: HTTP 200, code 403"
    without = Refused(Answer(http_status=401))
    assert judged(open_entry(), BY_NUMBER, without).said == "refused: HTTP 401"


def test_what_is_kept_names_nobody() -> None:
    """Evidence is published: it carries no identifier, no amount and no text of PayWizard's."""
    secrets = [CHECKOUT, STRANGER, ORIGINAL, MID, "200000000002", ACCOUNT, "10.5", "77"]
    answers = [
        found(state, mid=mid, checkout_id=checkout_id, amount=amount)
        for state in (1, 2, 4)
        for mid in (MID, "200000000002", None)
        for checkout_id in (CHECKOUT, STRANGER)
        for amount in ("10.5", "77")
    ]
    for entry, question in ((pending(), BY_CHECKOUT), (open_entry(), BY_NUMBER)):
        for answer in answers:
            said = judged(entry, question, answer).said
            assert said.startswith(f"state {answer.state}")
            assert not any(secret in said for secret in secrets)
