"""What an answer means: the table of design.md section 6, for each kind of request.

PayWizard documents no error codes (G8), so which statuses and codes prove a refusal is
configuration, and whatever is not plainly an answer is doubt.
"""

from collections.abc import Set
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Final

from worker.adapters.paywizard.envelope import (
    Envelope,
    Fields,
    HttpAnswer,
    as_handle,
    as_integer,
    as_object,
    as_text,
    read_envelope,
)
from worker.domain.replies import (
    Answer,
    Approved,
    Declined,
    Doubt,
    NoAnswer,
    OrderFound,
    OrderNotFound,
    Pending,
    QueryAnswer,
    Refused,
    Reply,
    Throttled,
)

CODE_HANDLED: Final = 200
"""`code` of the envelope when the request was handled, whatever `result` then says."""
RETRY_AFTER_SECONDS_MAX: Final = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyPolicy:
    """What is configured about answers.

    `refused_codes`: HTTP statuses, and `code` in a 200 body, that mean refused before anything
    moved. `retry_throttled` False: HTTP 429 is no proof that nothing moved (G22).
    """

    refused_codes: Set[int]
    retry_throttled: bool


def transaction_reply(
    http: HttpAnswer, policy: ReplyPolicy, now: datetime, original_checkout_id: str | None
) -> Reply:
    """Judge the answer to a request that has a `result`: money, points, void and tip."""
    envelope = read_envelope(http)
    unhandled = _unhandled(http, envelope.answer, policy, now)
    if unhandled is not None:
        return unhandled
    answer, data = envelope.answer, as_object(envelope.data)
    if data is None or _names_other_original(data, original_checkout_id):
        return NoAnswer(Doubt.BAD_REPLY, answer)
    match answer.result:
        case 0:
            return Approved(answer)
        case 1:
            return Declined(answer)
        case 2:
            return Pending(answer)
        case _:
            return NoAnswer(Doubt.BAD_REPLY, answer)


def activation_reply(
    http: HttpAnswer, policy: ReplyPolicy, now: datetime, account_id: str
) -> Reply:
    """Judge the answer to giftActivate, which has no `result`: our card's data is the success."""
    envelope = read_envelope(http)
    unhandled = _unhandled(http, envelope.answer, policy, now)
    if unhandled is not None:
        return unhandled
    if not _is_of(envelope, account_id):
        return NoAnswer(Doubt.BAD_REPLY, envelope.answer)
    return Approved(envelope.answer)


def inquiry_reply(
    http: HttpAnswer, policy: ReplyPolicy, now: datetime, account_id: str
) -> Reply:
    """Judge the answer to giftInquiry: as an activation's, and with balances that can be read."""
    reply = activation_reply(http, policy, now, account_id)
    if isinstance(reply, Approved) and reply.answer.balances is None:
        return NoAnswer(Doubt.BAD_REPLY, reply.answer)
    return reply


def query_answer(http: HttpAnswer, policy: ReplyPolicy, now: datetime) -> QueryAnswer:
    """Judge the answer to queryOrder; without `data` it is not found, which proves nothing (G6)."""
    envelope = read_envelope(http)
    unhandled = _unhandled(http, envelope.answer, policy, now)
    if unhandled is not None:
        return unhandled
    if envelope.data is None:
        return OrderNotFound(envelope.answer)
    data = as_object(envelope.data) or {}
    state = as_integer(data.get("state"))
    if state is None:
        return NoAnswer(Doubt.BAD_REPLY, envelope.answer)
    return _order_found(state, data)


def retry_after_seconds(header: str | None, now: datetime) -> float | None:
    """Read `Retry-After` (RFC 9110: seconds or an HTTP date) as seconds from now, at most an hour."""
    if header is None:
        return None
    if header.isascii() and header.isdigit():
        # Nine digits are past any maximum; thousands of them would not even convert.
        return min(float(header[:9]), RETRY_AFTER_SECONDS_MAX)
    try:
        moment = parsedate_to_datetime(header)
    except (ValueError, OverflowError):
        return None
    aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return min(max(0.0, (aware - now).total_seconds()), RETRY_AFTER_SECONDS_MAX)


def _unhandled(
    http: HttpAnswer, answer: Answer, policy: ReplyPolicy, now: datetime
) -> Throttled | Refused | NoAnswer | None:
    """Say why the request was not handled, or None for HTTP 200 with `code` 200.

    A refusal by HTTP status needs no readable body. Another `code` is reported like an HTTP
    status, because PayWizard calls it one.
    """
    if http.status == HTTPStatus.TOO_MANY_REQUESTS:
        return _throttled(http, answer, policy, now)
    if http.status in policy.refused_codes:
        return Refused(answer)
    if http.status != HTTPStatus.OK:
        return NoAnswer(Doubt.HTTP_STATUS, answer)
    if isinstance(http.body, Doubt):
        return NoAnswer(http.body, answer)
    if answer.code is None:
        return NoAnswer(Doubt.BAD_REPLY, answer)
    if answer.code == CODE_HANDLED:
        return None
    refused = answer.code in policy.refused_codes
    return Refused(answer) if refused else NoAnswer(Doubt.HTTP_STATUS, answer)


def _throttled(
    http: HttpAnswer, answer: Answer, policy: ReplyPolicy, now: datetime
) -> Throttled | NoAnswer:
    if not policy.retry_throttled:
        return NoAnswer(Doubt.HTTP_STATUS, answer)
    return Throttled(retry_after_seconds(http.retry_after, now), answer)


def _names_other_original(data: Fields, sent: str | None) -> bool:
    """G13: a reply that names another original than was sent may be another order's."""
    named = data.get("oriCheckoutId")
    return sent is not None and named is not None and named != sent


def _is_of(envelope: Envelope, account_id: str) -> bool:
    data = as_object(envelope.data)
    return data is not None and data.get("accountId") == account_id


def _order_found(state: int, data: Fields) -> OrderFound:
    return OrderFound(
        state=state,
        mid=as_text(data.get("mid")),
        checkout_id=as_handle(data.get("checkoutId")),
        trans_index_code=as_text(data.get("transIndexCode")),
        amount=as_text(data.get("amount")),
        tran_time=as_text(data.get("tranTime")),
    )
