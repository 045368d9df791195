"""Reads PayWizard's book as the simulator's `GET /book?form=lines` tells it: one thing a line, money as text."""

import json
import sys
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

from ops.proof.history import Book, BookOrder, Card, Order

AMOUNTS_KEPT = 10_000

Fields = dict[str, Any]


def book_of(lines: Iterable[str | bytes]) -> Book:
    """Return the book that `lines` hold."""
    book = Book()
    met: set[tuple[str, str]] = set()
    for line in lines:
        told = json.loads(line)
        if (order := told.get("order")) is not None:
            key = Order(sys.intern(order["clientId"]), order["tranOrderNo"])
            book.orders[key] = _order(order)
        elif (card := told.get("card")) is not None:
            key_of_card = Card(card["clientId"], card["loyaltyChannel"], card["accountId"])
            book.cards[key_of_card] = {
                held["valueCode"]: _money(held["amount"]) for held in card["balances"]
            }
        elif (fault := told.get("met")) is not None:
            met.add((sys.intern(fault["rule"]), fault["tranOrderNo"]))
    book.met.update(rule for rule, _ in met)
    return book


def _order(order: Fields) -> BookOrder:
    amount = order["amount"]
    return BookOrder(
        requests=order["requests"],
        effects=order["effects"],
        throttled=order["throttled"],
        repeats=order["repeats"],
        truth=_once(order["truth"]),
        checkout_ids=tuple(order["checkoutIds"]),
        executed_at=_times(order["executions"]),
        loyalty_channel=_once(order["loyaltyChannel"]),
        account_id=_once(order["accountId"]),
        amount=None if amount is None else _money(amount),
        currency=_once(order["currency"]),
        points=order["points"],
        operation=_once(order["operation"]),
    )


def _once(text: str | None) -> str | None:
    """Return the one copy of a text that a million orders share."""
    return None if text is None else sys.intern(text)


def _times(executions: list[Fields]) -> tuple[datetime, ...]:
    """Return when an order was executed; of a single time, which is as it should be, nothing is asked."""
    if len(executions) < 2:
        return ()
    return tuple(datetime.fromisoformat(each["executedAt"]) for each in executions)


@lru_cache(AMOUNTS_KEPT)
def _money(text: str) -> Decimal:
    """Return an amount; a million orders share a few thousand of them."""
    return Decimal(text)
