"""What a status query may prove about an order: one table, each row with its gap.

No page says that queryOrder covers loyalty transactions at all (G5). So a found order counts only
where it is plainly ours, "not found" never decides (G6), and what is not in STATE_READINGS is
evidence for an operator.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from worker.domain.entry import Entry, StoredOutcome
from worker.domain.operations import Operation
from worker.domain.outcomes import DecidedBy
from worker.domain.replies import (
    Answer,
    Approved,
    NoAnswer,
    NotSent,
    OrderFound,
    OrderNotFound,
    QueryAnswer,
    Refused,
    Reply,
    Throttled,
)
from worker.domain.states import Event

STATE_READINGS: Final[Mapping[int, Event]] = MappingProxyType(
    {
        1: Event.PENDING,
        2: Event.APPROVED,
        # "Order closed" did not complete; there is no state for "failed" (section 5, G17).
        5: Event.DECLINED,
    }
)
"""States of section 5 that say what became of our own order.

Revoked and refunded ones (3, 4, 6, 9) had succeeded, but somebody has undone that since; what a
pre-authorization (7, 8) would be here nobody knows: an operator looks at them.
"""
ORIGINAL_READINGS: Final[Mapping[int, Event]] = MappingProxyType({3: Event.APPROVED})
"""A void shows at its original, which is then revoked (section 5). That it is not says nothing:
the void may be on its way."""
RESPONSE_UNITS: Final = (Decimal(1), Decimal(10_000))
"""Readings of a response's amount: as it was asked for, or with four implied decimals (G3)."""


TRAN_TIME_FORMAT: Final = "%Y-%m-%d %H:%M:%S"
OLDER_BY: Final = timedelta(days=2)
"""No two time zones are so far apart, whichever `tranTime` is in (G20)."""


@dataclass(frozen=True, slots=True)
class Merchant:
    """Whose orders PayWizard tells of; `is_shared`: several of our clients' orders go by that id."""

    mid: str
    is_shared: bool


class Identifier(StrEnum):
    """What a question asks by; the words of the wire."""

    CHECKOUT_ID = "checkoutId"
    TRANS_INDEX_CODE = "transIndexCode"
    """Our order number is sent as that: best effort (G5)."""
    ORIGINAL = "checkoutId of the original"
    CARD = "accountId"


@dataclass(frozen=True, slots=True)
class Question:
    """What to ask about an order; `value` goes to PayWizard and nowhere else."""

    by: Identifier
    value: str


class Kind(StrEnum):
    """What came of a question; labels of `status_checks_total`."""

    DECIDED = "decided"
    STILL_OPEN = "still_open"
    NOT_FOUND = "not_found"
    NO_ANSWER = "no_answer"
    EVIDENCE_ONLY = "evidence_only"


@dataclass(frozen=True, slots=True)
class Finding:
    """What an answer shows: the event it proves, if any, with its outcome; and in short."""

    kind: Kind
    said: str
    event: Event | None = None
    outcome: StoredOutcome | None = None


def question_for(entry: Entry, *, by_order_number: bool) -> Question | None:
    """Say how an order that is not decided can be asked about; None: not at all."""
    known = entry.proven_checkout_id
    match entry.operation:
        case Operation.INQUIRY:
            return None
        case Operation.ACTIVATE:
            # Not addressable afterwards (G9); the card shows whether it is active.
            return None if entry.card is None else Question(Identifier.CARD, "")
        case Operation.VOID:
            original = entry.held_checkout_id or entry.request.original_checkout_id
            return None if original is None else Question(Identifier.ORIGINAL, original)
        case _ if known is not None:
            return Question(Identifier.CHECKOUT_ID, known)
        case _ if by_order_number:
            return Question(Identifier.TRANS_INDEX_CODE, entry.tran_order_no)
        case _:
            return None


def finding_of(
    entry: Entry, question: Question, answer: QueryAnswer | Reply, merchant: Merchant | None
) -> Finding:
    """Judge an answer; `merchant` is the client's, where it is configured.

    A transport failure is no answer, and what names another order, client or amount decides
    nothing.
    """
    match answer:
        case OrderFound():
            return _found(entry, question, answer, merchant)
        case Approved(answer=of_card):
            return _card_answered(entry, of_card)
        case OrderNotFound():
            return Finding(Kind.NOT_FOUND, "not found")
        case NoAnswer(doubt=doubt):
            return Finding(Kind.NO_ANSWER, f"no answer: {doubt.value}")
        case NotSent(cause=cause):
            return Finding(Kind.NO_ANSWER, f"not sent: {cause.value}")
        case Throttled():
            return Finding(Kind.NO_ANSWER, "throttled")
        case Refused():
            return Finding(Kind.NO_ANSWER, _refusal(answer))
        case _:
            return Finding(Kind.NO_ANSWER, "an answer that says nothing of it")


def _found(
    entry: Entry, question: Question, found: OrderFound, merchant: Merchant | None
) -> Finding:
    said = f"state {found.state}"
    stranger = _stranger(entry, question, found, merchant)
    if stranger is not None:
        return Finding(Kind.EVIDENCE_ONLY, f"{said}, but {stranger}: it decides nothing")
    is_void = question.by is Identifier.ORIGINAL
    event = (ORIGINAL_READINGS if is_void else STATE_READINGS).get(found.state)
    if event is None or (is_void and not entry.held_since_sent):
        # A void that did not hold its original has rivals that may have revoked it.
        return Finding(Kind.EVIDENCE_ONLY, f"{said}: it decides nothing")
    kind = Kind.STILL_OPEN if event is Event.PENDING else Kind.DECIDED
    return Finding(kind, said, event, _outcome(entry, question, found))


def _stranger(
    entry: Entry, question: Question, found: OrderFound, merchant: Merchant | None
) -> str | None:
    """Say in which way a found order is not plainly the one that was asked about."""
    if merchant is not None and found.mid is not None and found.mid != merchant.mid:
        return "the merchant is another"
    match question.by:
        case Identifier.ORIGINAL:
            return None if found.checkout_id == question.value else "the order is another"
        case Identifier.CHECKOUT_ID if found.checkout_id != question.value:
            return "the order is another"
        case Identifier.CHECKOUT_ID:
            answer = entry.outcome.answer.amount if entry.outcome else None
            if found.amount is None or _equal(answer, found.amount):
                return None
            return None if _is_amount_of(entry, found) else "the amount is another"
        case _:
            # Other products use transIndexCode for the caller's own numbers (G4, G5): it has to
            # be ours in all.
            return _stranger_by_number(entry, found, merchant)


def _stranger_by_number(
    entry: Entry, found: OrderFound, merchant: Merchant | None
) -> str | None:
    if merchant is None or found.mid is None:
        return "the merchant is not known"
    if merchant.is_shared:
        return "the merchant is more than one client's"
    if _is_older(entry, found):
        return "it is older than our request"
    return None if _is_amount_of(entry, found) else "the amount is not ours"


def _is_older(entry: Entry, found: OrderFound) -> bool:
    """Whether it was completed long before ours left: a number that was used before."""
    try:
        at = datetime.strptime(found.tran_time or "", TRAN_TIME_FORMAT).replace(tzinfo=UTC)
    except ValueError:
        return False
    return entry.submitted_at is not None and at < entry.submitted_at - OLDER_BY


def _is_amount_of(entry: Entry, found: OrderFound) -> bool:
    request = entry.request
    asked = request.money.value if request.money is not None else request.points
    amount = _decimal(found.amount)
    if asked is None or amount is None:
        return False
    return any(amount == Decimal(asked) * unit for unit in RESPONSE_UNITS)


def _equal(one: str | None, other: str) -> bool:
    return one == other or (_decimal(one) is not None and _decimal(one) == _decimal(other))


def _decimal(text: str | None) -> Decimal | None:
    try:
        number = Decimal(text or "")
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def _outcome(entry: Entry, question: Question, found: OrderFound) -> StoredOutcome:
    """Keep what PayWizard said of the order; an earlier `result` is overtaken."""
    before = Answer() if entry.outcome is None else entry.outcome.answer
    if question.by is Identifier.ORIGINAL:
        answer = replace(
            before,
            result=None,
            checkout_id=entry.proven_checkout_id,
            ori_checkout_id=question.value,
        )
    else:
        answer = replace(
            before,
            result=None,
            mid=found.mid or before.mid,
            checkout_id=found.checkout_id or entry.proven_checkout_id,
            trans_index_code=found.trans_index_code or before.trans_index_code,
            amount=found.amount or before.amount,
        )
    return StoredOutcome(decided_by=DecidedBy.STATUS_QUERY, answer=answer)


def _card_answered(entry: Entry, answer: Answer) -> Finding:
    """Judge an inquiry about a card that was to be activated (G9)."""
    if entry.request.activating is not True:
        # What `activating: "N"` asks for is unexplained.
        return Finding(Kind.EVIDENCE_ONLY, "the card answers: it decides nothing")
    outcome = StoredOutcome(decided_by=DecidedBy.STATUS_QUERY, answer=answer)
    return Finding(Kind.DECIDED, "the card is active", Event.APPROVED, outcome)


def _refusal(answer: Refused) -> str:
    status, code = answer.answer.http_status, answer.answer.code
    return f"refused: HTTP {status}" + ("" if code is None else f", code {code}")
