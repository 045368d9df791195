"""JSON as the ledger stores it: the schemas' words, money as exact text, bytes as base64.

Nothing that is absent is written, and keys that are not known are passed over: a ledger may be
one revision newer than the code.
"""

import json
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from operator import attrgetter
from types import MappingProxyType
from typing import Any, Final

from worker.domain.entry import Request, Ruling, StoredOutcome
from worker.domain.evidence import Query
from worker.domain.money import Money
from worker.domain.outcomes import DecidedBy
from worker.domain.replies import Answer, Balance

ANSWER_KEYS: Final = MappingProxyType(
    {
        "http_status": "httpStatus",
        "code": "code",
        "msg": "msg",
        "result": "result",
        "mid": "mid",
        "paywizard_id": "paywizardId",
        "checkout_id": "checkoutId",
        "trans_index_code": "transIndexCode",
        "ori_checkout_id": "oriCheckoutId",
        "ori_trans_index_code": "oriTransIndexCode",
        "amount": "amount",
        "timestamp": "timestamp",
    }
)
"""Fields of an Answer that are stored as they are, and their keys."""
_answer_fields: Final = attrgetter(*ANSWER_KEYS)


_encode: Final = json.JSONEncoder(separators=(",", ":")).encode
"""ASCII with escapes: any text survives any database, U+0000 too."""


def request_text(request: Request) -> str:
    """Write what was asked."""
    assert request.received_at.tzinfo is not None
    money = request.money
    return _text(
        {
            "receivedAt": request.received_at.astimezone(UTC).isoformat(),
            "entryType": request.entry_type,
            "amount": None if money is None else str(money.value),
            "currency": None if money is None else money.currency,
            "points": request.points,
            "originalTranOrderNo": request.original_tran_order_no,
            "originalCheckoutId": request.original_checkout_id,
            "activating": request.activating,
            "headers": [
                [name, b64encode(value).decode("ascii")] for name, value in request.headers
            ],
        }
    )


def request_from(text: str) -> Request:
    """Read what `request_text` wrote."""
    stored = json.loads(text)
    amount = stored.get("amount")
    return Request(
        received_at=datetime.fromisoformat(stored["receivedAt"]),
        entry_type=stored.get("entryType"),
        money=None if amount is None else Money(Decimal(amount), stored["currency"]),
        points=stored.get("points"),
        original_tran_order_no=stored.get("originalTranOrderNo"),
        original_checkout_id=stored.get("originalCheckoutId"),
        activating=stored.get("activating"),
        headers=tuple((name, b64decode(value)) for name, value in stored["headers"]),
    )


def outcome_text(outcome: StoredOutcome) -> str:
    """Write how it ended."""
    answer, ruling = outcome.answer, outcome.ruling
    return _text(
        {
            "decidedBy": outcome.decided_by.value,
            "reason": outcome.reason,
            "reasonDetail": outcome.reason_detail,
            "answer": _present(
                dict(zip(ANSWER_KEYS.values(), _answer_fields(answer), strict=True))
                | {"balances": None if answer.balances is None else _balances(answer.balances)}
            ),
            "resolution": None if ruling is None else _ruling(ruling),
        }
    )


def outcome_from(text: str) -> StoredOutcome:
    """Read what `outcome_text` wrote."""
    stored = json.loads(text)
    answer = stored["answer"]
    known = {name: answer.get(key) for name, key in ANSWER_KEYS.items()}
    balances, ruling = answer.get("balances"), stored.get("resolution")
    return StoredOutcome(
        decided_by=DecidedBy(stored["decidedBy"]),
        reason=stored.get("reason"),
        reason_detail=stored.get("reasonDetail"),
        answer=Answer(**known, balances=None if balances is None else _balances_from(balances)),
        ruling=None if ruling is None else _ruling_from(ruling),
    )


def queries_text(queries: Sequence[Query]) -> str | None:
    """Write what was asked and answered; None for nothing."""
    if not queries:
        return None
    return _encode(
        [
            {
                "at": query.at.astimezone(UTC).isoformat(),
                "identifier": query.identifier,
                "answer": query.answer,
            }
            for query in queries
        ]
    )


def queries_from(text: str | None) -> tuple[Query, ...]:
    """Read what `queries_text` wrote."""
    return tuple(
        Query(datetime.fromisoformat(item["at"]), item["identifier"], item["answer"])
        for item in json.loads(text or "[]")
    )


def balances_text(balances: Sequence[Balance]) -> str:
    """Write what a card holds."""
    return _encode(_balances(balances))


def balances_from(text: str) -> tuple[Balance, ...]:
    """Read what `balances_text` wrote."""
    return _balances_from(json.loads(text))


def causes_text(causes: Sequence[str]) -> str:
    """Write the order numbers that caused an event."""
    return _encode(causes)


def causes_from(text: str) -> tuple[str, ...]:
    """Read what `causes_text` wrote."""
    return tuple(json.loads(text))


def _ruling(ruling: Ruling) -> dict[str, str]:
    return {
        "operator": ruling.operator,
        "reason": ruling.reason,
        "requestedAt": ruling.at.astimezone(UTC).isoformat(),
    }


def _ruling_from(stored: Mapping[str, str]) -> Ruling:
    at = datetime.fromisoformat(stored["requestedAt"])
    return Ruling(stored["operator"], stored["reason"], at)


def _balances(balances: Sequence[Balance]) -> list[dict[str, str]]:
    return [
        {
            "valueCode": balance.value_code,
            "amount": str(balance.amount),
            "difference": str(balance.difference),
        }
        for balance in balances
    ]


def _balances_from(stored: Sequence[Mapping[str, str]]) -> tuple[Balance, ...]:
    return tuple(
        Balance(
            value_code=item["valueCode"],
            amount=Decimal(item["amount"]),
            difference=Decimal(item["difference"]),
        )
        for item in stored
    )


def _present(content: Mapping[str, Any]) -> dict[str, object]:
    return {key: value for key, value in content.items() if value is not None}


def _text(content: Mapping[str, Any]) -> str:
    return _encode(_present(content))
