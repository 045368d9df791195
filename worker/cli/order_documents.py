"""An order as JSON: the schemas' words, the card masked unless told otherwise."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from worker.domain.balances import CardBalances
from worker.domain.entry import Entry, Published, Source
from worker.domain.money import plain_text
from worker.domain.replies import Answer
from worker.domain.states import State
from worker.observability.redaction import mask_account

if TYPE_CHECKING:
    from worker.adapters.sql.orders import Order

Document = dict[str, object]


def order_document(order: "Order", *, reveal: bool) -> Document:
    """Return all that the ledger says of an order; what is absent is null."""
    entry = order.entry
    return {
        "tranOrderNo": entry.tran_order_no,
        "clientId": entry.client_id,
        "operation": entry.operation.value,
        "state": entry.state.value,
        "parked": is_parked(entry),
        "published": entry.published.name.lower(),
        **_card(entry, reveal),
        **_request(entry),
        **_outcome(entry),
        "takes": entry.takes,
        "attempts": entry.attempts,
        "receivedAt": _time(entry.request.received_at),
        "claimedAt": _time(order.claimed_at),
        "submittedAt": _time(entry.submitted_at),
        "undecidedSince": _time(entry.undecided_since),
        "nextCheckAt": _time(entry.next_check_at),
        "decidedAt": _time(entry.decided_at),
        "purgedAt": _time(entry.purged_at),
        "queries": [
            {"at": _time(query.at), "identifier": query.identifier, "answer": query.answer}
            for query in entry.queries
        ],
        "source": _source(entry.source),
        "finalSource": _source(entry.final_source),
        "fingerprint": entry.fingerprint,
        "owner": entry.owner,
        "version": entry.version,
    }


def around_document(takers: "Sequence[Order]", balances: CardBalances | None) -> Document:
    """Return what the ledger knows beside an order: who took it, and what its card last held."""
    return {
        "takenBy": [
            {
                "tranOrderNo": taker.entry.tran_order_no,
                "operation": taker.entry.operation.value,
                "state": taker.entry.state.value,
            }
            for taker in takers
        ],
        "cardBalances": None if balances is None else _balances(balances),
    }


def is_parked(entry: Entry) -> bool:
    """Whether nothing comes to an order by itself any more, and it waits for an operator."""
    return (
        entry.state is State.IN_DOUBT
        and entry.published is Published.FIRST
        and entry.next_check_at is None
    )


def _card(entry: Entry, reveal: bool) -> Document:
    if entry.card is None:
        return {"accountId": None, "loyaltyChannel": None}
    account_id = entry.card.account_id
    return {
        "accountId": account_id if reveal else mask_account(account_id),
        "loyaltyChannel": entry.card.loyalty_channel,
    }


def _request(entry: Entry) -> Document:
    request = entry.request
    money = request.money
    return {
        "requestedAmount": None if money is None else plain_text(money.value),
        "currency": None if money is None else money.currency,
        "requestedPoints": request.points,
        "originalTranOrderNo": request.original_tran_order_no,
        "originalCheckoutId": request.original_checkout_id,
    }


def _outcome(entry: Entry) -> Document:
    outcome = entry.outcome
    answer = Answer() if outcome is None else outcome.answer
    ruling = None if outcome is None else outcome.ruling
    return {
        "reason": None if outcome is None else outcome.reason,
        "reasonDetail": None if outcome is None else outcome.reason_detail,
        "decidedBy": None if outcome is None else outcome.decided_by.value,
        "resolution": None
        if ruling is None
        else {
            "operator": ruling.operator,
            "reason": ruling.reason,
            "requestedAt": _time(ruling.at),
        },
        "checkoutId": entry.checkout_id,
        "httpStatus": answer.http_status,
        "code": answer.code,
        "msg": answer.msg,
        "result": answer.result,
        "mid": answer.mid,
        "transIndexCode": answer.trans_index_code,
        "timestamp": answer.timestamp,
    }


def _balances(known: CardBalances) -> Document:
    return {
        "sequence": known.sequence,
        "observedAt": _time(known.observed_at),
        "causes": list(known.causes),
        "before": {each.value_code: plain_text(each.amount) for each in known.previous},
        "after": {each.value_code: plain_text(each.amount) for each in known.current},
    }


def _source(source: Source | None) -> Document | None:
    if source is None:
        return None
    return {
        "topicId": source.topic_id,
        "topic": source.topic,
        "partition": source.partition,
        "offset": source.offset,
    }


def _time(moment: datetime | None) -> str | None:
    if moment is None:
        return None
    text = moment.astimezone(UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")
