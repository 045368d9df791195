"""What is asked about an order, and what an answer may prove: the whole table."""

from dataclasses import replace
from typing import Any

import pytest

from tests.unit.domain.commands import (
    ACCOUNT,
    ACTIVATE,
    ALL,
    CLIENT,
    INQUIRY,
    ISSUE_POINTS,
    NOW,
    PAYMENT,
    REDEEM_POINTS,
    RELOAD,
    TIP,
    VOID,
    changed,
)
from worker.domain.card import Card
from worker.domain.commands import Command
from worker.domain.entry import Entry, Source, StoredOutcome, request_of
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
from worker.domain.status_queries import (
    Finding,
    Identifier,
    Kind,
    Question,
    finding_of,
    question_for,
)

MID = "200000000001"
CHECKOUT = "900000000000000001"
ORIGINAL = "900000000000000077"
STRANGER = "900000000000000099"
MOVING = [command for command in ALL if command not in (INQUIRY, ACTIVATE, VOID)]
BY_CHECKOUT = Question(Identifier.CHECKOUT_ID, CHECKOUT)
BY_NUMBER = Question(Identifier.TRANS_INDEX_CODE, PAYMENT.tran_order_no)
BY_ORIGINAL = Question(Identifier.ORIGINAL, ORIGINAL)
BY_CARD = Question(Identifier.CARD, "")
DECIDING = {1: Event.PENDING, 2: Event.APPROVED, 5: Event.DECLINED}
STATES = [*range(10), -1, 200]


def open_entry(command: Command = PAYMENT, **fields: Any) -> Entry:
    """An order that is in doubt and of which nothing else is known."""
    usual: dict[str, Any] = {
        "client_id": CLIENT,
        "tran_order_no": command.tran_order_no,
        "fingerprint": "1:abc",
        "operation": command.operation,
        "card": None if command is VOID else Card(CLIENT, "FACTOR4", ACCOUNT),
        "source": Source("id-1", "commands", 3, 42),
        "request": request_of(command, NOW, ()),
        "owner": "owner-1",
        "state": State.IN_DOUBT,
        "outcome": doubt(None),
    }
    return Entry(**(usual | fields))


def doubt(checkout_id: str | None, reason: Doubt = Doubt.BAD_REPLY) -> StoredOutcome:
    """No usable answer; what came with it may be anybody's."""
    answer = Answer(checkout_id=checkout_id)
    return StoredOutcome(decided_by=DecidedBy.WORKER, reason=reason.value, answer=answer)


def pending(command: Command = PAYMENT, amount: str | None = "10000") -> Entry:
    """An order that PayWizard itself called pending, under its checkoutId."""
    answer = Answer(http_status=200, code=200, result=2, checkout_id=CHECKOUT, amount=amount)
    outcome = StoredOutcome(decided_by=DecidedBy.REPLY, answer=answer)
    return open_entry(command, state=State.PENDING, outcome=outcome)


def found(state: int = 2, **fields: Any) -> OrderFound:
    """Our own payment, as PayWizard would tell it."""
    ours: dict[str, Any] = {"mid": MID, "checkout_id": CHECKOUT, "amount": "10.5"}
    return OrderFound(state=state, **(ours | fields))


def judged(
    entry: Entry, question: Question, answer: QueryAnswer | Reply, mid: str | None = MID
) -> Finding:
    """Judge an answer, and see that an event is proven exactly where something is stored."""
    finding = finding_of(entry, question, answer, mid)
    assert (finding.event is None) == (finding.outcome is None)
    assert (finding.event is None) == (finding.kind not in (Kind.DECIDED, Kind.STILL_OPEN))
    if finding.outcome is not None:
        assert finding.outcome.decided_by is DecidedBy.STATUS_QUERY
        assert finding.outcome.answer.result is None
    return finding


def is_evidence(finding: Finding) -> bool:
    """Whether it is kept for an operator and decides nothing."""
    return (finding.kind, finding.event) == (Kind.EVIDENCE_ONLY, None)


# ── What is asked ───────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("by_order_number", [True, False])
@pytest.mark.parametrize("outcome", [None, doubt(None), doubt(CHECKOUT)])
@pytest.mark.parametrize("command", ALL)
def test_every_operation_is_asked_about_in_its_way(
    command: Command, outcome: StoredOutcome | None, by_order_number: bool
) -> None:
    """By its checkoutId, or by its number where that is wanted (G5); card and original else."""
    entry = open_entry(command, outcome=outcome)
    question = question_for(entry, by_order_number=by_order_number)
    known = outcome is not None and outcome.answer.checkout_id is not None
    if command in (INQUIRY, VOID):
        assert question is None
    elif command is ACTIVATE:
        assert question == BY_CARD
    elif known:
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


@pytest.mark.parametrize("state", STATES)
def test_a_state_found_by_our_order_number_reads_the_same(state: int) -> None:
    """If merchant and amount are ours, it is our order (G5)."""
    finding = judged(open_entry(), BY_NUMBER, found(state))
    assert finding.event is DECIDING.get(state)
    assert is_evidence(finding) == (state not in DECIDING)


@pytest.mark.parametrize("state", [1, 2, 3, 5])
@pytest.mark.parametrize("checkout_id", [STRANGER, None])
def test_another_order_decides_nothing(state: int, checkout_id: str | None) -> None:
    """What answers for another checkoutId than was asked for is not about this order."""
    answer = found(state, checkout_id=checkout_id)
    assert is_evidence(judged(pending(), BY_CHECKOUT, answer))
    assert is_evidence(judged(open_entry(outcome=doubt(CHECKOUT)), BY_CHECKOUT, answer))
    void = open_entry(VOID, takes=ORIGINAL)
    assert is_evidence(judged(void, BY_ORIGINAL, answer))


@pytest.mark.parametrize("state", [1, 2, 3, 5])
def test_another_merchant_decides_nothing(state: int) -> None:
    """P14: a client's order is never decided by another client's."""
    answer = found(state, mid="200000000002")
    assert is_evidence(judged(pending(), BY_CHECKOUT, answer))
    assert is_evidence(judged(open_entry(), BY_NUMBER, answer))
    assert is_evidence(judged(open_entry(outcome=doubt(CHECKOUT)), BY_CHECKOUT, answer))
    void = open_entry(VOID, takes=ORIGINAL)
    assert is_evidence(judged(void, BY_ORIGINAL, replace(answer, checkout_id=ORIGINAL)))


def test_an_unknown_merchant_decides_only_by_a_proven_checkout_id() -> None:
    """Nobody configured it, or the answer does not say: by number the order is not plainly ours."""
    for mid, answer in ((None, found()), (MID, found(mid=None)), (None, found(mid=None))):
        assert judged(pending(), BY_CHECKOUT, answer, mid).event is Event.APPROVED
        assert is_evidence(judged(open_entry(), BY_NUMBER, answer, mid))
        unproven = open_entry(outcome=doubt(CHECKOUT))
        assert is_evidence(judged(unproven, BY_CHECKOUT, answer, mid))


@pytest.mark.parametrize(
    ("command", "amounts"),
    [
        (PAYMENT, ["10.5", "10.50", "10.5000", "105000", "105000.0"]),
        (RELOAD, ["10.5", "105000"]),
        (TIP, ["2", "2.00", "20000"]),
        (ISSUE_POINTS, ["5", "5.0", "50000"]),
        (REDEEM_POINTS, ["5", "50000"]),
    ],
)
def test_an_amount_is_ours_in_either_documented_unit(
    command: Command, amounts: list[str]
) -> None:
    """G3: as it was asked for, or with four implied decimals."""
    for amount in amounts:
        finding = judged(open_entry(command), BY_NUMBER, found(amount=amount))
        assert finding.event is Event.APPROVED, amount


@pytest.mark.parametrize(
    "amount",
    ["10.51", "1050", "10500", "1050000", "0", "-10.5", "5", None, "", "x", "NaN", "Infinity"],
)
@pytest.mark.parametrize("state", [1, 2, 5])
def test_another_amount_decides_nothing_by_order_number(state: int, amount: str | None) -> None:
    """Other products use that field for the caller's own numbers: it may be another sale (G4, G5)."""
    assert is_evidence(judged(open_entry(), BY_NUMBER, found(state, amount=amount)))
    unproven = open_entry(outcome=doubt(CHECKOUT))
    assert is_evidence(judged(unproven, BY_CHECKOUT, found(state, amount=amount)))


@pytest.mark.parametrize("amount", ["0", "10.5", None])
def test_what_was_asked_without_an_amount_is_never_ours_by_order_number(
    amount: str | None,
) -> None:
    """A reload may carry none (G1): nothing says that it is the same order."""
    reload = open_entry(changed(RELOAD, money=None))
    assert is_evidence(judged(reload, BY_NUMBER, found(amount=amount)))


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


@pytest.mark.parametrize("reason", [reason for reason in Doubt if reason != "PENDING_TOO_LONG"])
def test_a_checkout_id_from_a_garbled_answer_has_to_agree_in_all(reason: Doubt) -> None:
    """It may be anybody's: merchant and amount say whether the order is ours."""
    entry = open_entry(outcome=doubt(CHECKOUT, reason))
    assert judged(entry, BY_CHECKOUT, found()).event is Event.APPROVED
    assert is_evidence(judged(entry, BY_CHECKOUT, found(amount=None)))
    assert is_evidence(judged(entry, BY_CHECKOUT, found(mid=None)))


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
        (open_entry(outcome=doubt(CHECKOUT)), BY_CHECKOUT),
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
