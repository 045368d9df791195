"""Orders whose answer is missing, and what PayWizard may tell of them."""

from typing import Any

from tests.unit.domain.commands import ACCOUNT, CLIENT, NOW, PAYMENT, VOID
from worker.domain.card import Card
from worker.domain.commands import Command
from worker.domain.entry import Entry, Source, StoredOutcome, request_of
from worker.domain.outcomes import DecidedBy
from worker.domain.replies import Answer, Doubt, OrderFound, QueryAnswer, Reply
from worker.domain.states import Event, State
from worker.domain.status_queries import (
    Finding,
    Identifier,
    Kind,
    Merchant,
    Question,
    finding_of,
)

MID = "200000000001"
MERCHANT = Merchant(MID, is_shared=False)
CHECKOUT = "900000000000000001"
ORIGINAL = "900000000000000077"
STRANGER = "900000000000000099"
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
    entry: Entry,
    question: Question,
    answer: QueryAnswer | Reply,
    merchant: Merchant | None = MERCHANT,
) -> Finding:
    """Judge an answer, and see that an event is proven exactly where something is stored."""
    finding = finding_of(entry, question, answer, merchant)
    assert (finding.event is None) == (finding.outcome is None)
    assert (finding.event is None) == (finding.kind not in (Kind.DECIDED, Kind.STILL_OPEN))
    if finding.outcome is not None:
        assert finding.outcome.decided_by is DecidedBy.STATUS_QUERY
        assert finding.outcome.answer.result is None
    return finding


def is_evidence(finding: Finding) -> bool:
    """Whether it is kept for an operator and decides nothing."""
    return (finding.kind, finding.event) == (Kind.EVIDENCE_ONLY, None)
