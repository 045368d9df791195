"""The book: every request and every effect per order number, for whoever has to prove something."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from ops.sandbox.paywizard.bodies import Activate, Body, Inquire, Operation, Query
from ops.sandbox.paywizard.cards import HeldCard
from ops.sandbox.paywizard.fault_kinds import WITH_ORDER_NUMBER
from ops.sandbox.paywizard.fault_plan import Subject
from ops.sandbox.paywizard.money import POINTS, in_units
from ops.sandbox.paywizard.transactions import Result, Transaction
from ops.sandbox.paywizard.wire import Json


@dataclass(slots=True)
class OrderEntry:
    """What came under one (clientId, tranOrderNo); described by the first executed request."""

    client_id: str
    order_no: str
    operation: Operation
    requests: int = 0
    throttled: int = 0
    """Of the requests, those whose callers were told that they were turned away at the door."""
    repeats: int = 0
    """Of the requests, those that came when an earlier one's caller had not been told so."""
    executed: list[Transaction] = field(default_factory=list)

    def count_request(self) -> None:
        """A request came."""
        self.repeats += self.requests > self.throttled
        self.requests += 1

    def as_json(self) -> Json:
        """One member of `orders`; `effects` counts `movements`, one for each time value moved."""
        movements = [_movement(each) for each in self.executed if each.succeeded]
        return {
            "clientId": self.client_id,
            "tranOrderNo": self.order_no,
            "operation": self.operation,
            "requests": self.requests,
            "throttled": self.throttled,
            "repeats": self.repeats,
            "effects": len(movements),
            "truth": self.truth,
            "results": [int(each.result) for each in self.executed],
            "checkoutIds": [each.checkout_id for each in self.executed],
            **_description(self.executed[0] if self.executed else None),
            "executions": [_execution(each) for each in self.executed],
            "movements": movements,
        }

    @property
    def truth(self) -> Literal["SUCCEEDED", "DECLINED"] | None:
        """What finally became of the order; None if nothing was executed or it is pending.

        What was voided since has succeeded all the same.
        """
        results = {each.result for each in self.executed}
        if Result.SUCCESS in results:
            return "SUCCEEDED"
        return "DECLINED" if results == {Result.FAILURE} else None


@dataclass(slots=True)
class ActivationEntry:
    """giftActivate has no order number, so it is counted per card."""

    requests: int = 0
    effects: int = 0


@dataclass(frozen=True, slots=True)
class Met:
    """A fault that a request met."""

    at: datetime
    subject: Subject
    rule: str
    fault: str

    def as_json(self) -> Json:
        """One member of `met`."""
        return {
            "at": _time(self.at),
            "clientId": self.subject.client_id,
            "operation": self.subject.endpoint,
            "tranOrderNo": self.subject.order_no,
            "accountId": self.subject.account_id,
            "request": self.subject.request,
            "rule": self.rule,
            "fault": self.fault,
        }


class Book:
    """Everything that reached the simulator; kept in memory."""

    def __init__(self) -> None:
        self._orders: dict[tuple[str, str], OrderEntry] = {}
        self._activations: dict[tuple[str, str], ActivationEntry] = {}
        self._inquiries = 0
        self._queries = 0
        self._rejected: Counter[str] = Counter()
        self._met: list[Met] = []
        self._plans: list[Json] = []

    def note_plan(self, at: datetime, plan: Json) -> None:
        """A fault plan is in force from now on."""
        self._plans.append({"at": _time(at), "plan": plan})

    def note_met(self, met: Met) -> None:
        """A request meets a fault."""
        self._met.append(met)

    def note_rejected(self, why: Literal["sign", "token", "request"]) -> None:
        """A request was turned away; nothing moved."""
        self._rejected[why] += 1

    def note_arrival(
        self, client_id: str, kind: type[Body], fields: Mapping[str, object]
    ) -> None:
        """A request with a good token and signature came, whether its fields are good or not."""
        if kind is Inquire:
            self._inquiries += 1
        elif kind is Query:
            self._queries += 1
        elif kind is Activate and (account_id := _name(fields, "accountId")):
            self._activation(client_id, account_id).requests += 1
        elif kind.operation is not None and (order_no := _name(fields, "tranOrderNo")):
            self._order(client_id, order_no, kind.operation).count_request()

    def note_throttled(self, subject: Subject) -> None:
        """A request is told that it was turned away at the door; a query's is nobody's concern."""
        if subject.endpoint not in WITH_ORDER_NUMBER or subject.order_no is None:
            return
        entry = self._orders.get((subject.client_id, subject.order_no))
        if entry is not None:  # else it was none to be counted when it came
            entry.throttled += 1

    def note_executed(self, transaction: Transaction) -> None:
        """A request was executed; if it succeeded, the balance has just moved.

        What becomes of a pending one later, shows in the entry by itself.
        """
        intent = transaction.intent
        entry = self._order(intent.client.client_id, intent.order_no, intent.operation)
        entry.executed.append(transaction)

    def note_activated(self, client_id: str, account_id: str) -> None:
        """An activation was carried out."""
        self._activation(client_id, account_id).effects += 1

    def as_json(self, cards: Iterable[HeldCard]) -> Json:
        """The answer to `GET /book`."""
        return {
            "orders": [entry.as_json() for entry in self._orders.values()],
            "cards": [_card(card) for card in cards],
            "activations": [
                {
                    "clientId": client_id,
                    "accountId": account_id,
                    "requests": entry.requests,
                    "effects": entry.effects,
                }
                for (client_id, account_id), entry in self._activations.items()
            ],
            "inquiries": self._inquiries,
            "queries": self._queries,
            "rejected": {why: self._rejected[why] for why in ("sign", "token", "request")},
            "plans": self._plans,
            "met": [met.as_json() for met in self._met],
        }

    def as_lines(self, cards: Iterable[HeldCard]) -> Iterator[str]:
        """The answer to `GET /book?form=lines`: orders, cards and met faults, each in a line of its own.

        What comes while it is read is not in it.
        """
        told = {
            "order": (entry.as_json() for entry in tuple(self._orders.values())),
            "card": map(_card, tuple(cards)),
            "met": (met.as_json() for met in tuple(self._met)),
        }
        for what, each in told.items():
            for fields in each:
                yield json.dumps({what: fields}, ensure_ascii=False) + "\n"

    def cards_as_json(self, cards: Iterable[HeldCard]) -> Json:
        """The answer to `GET /book/cards`."""
        return [_card(card) for card in cards]

    def orders_as_json(self, client_id: str, order_nos: Iterable[str]) -> Json:
        """The answer to `POST /book/orders`: those that something came under."""
        entries = (self._orders.get((client_id, order_no)) for order_no in order_nos)
        return [entry.as_json() for entry in entries if entry is not None]

    def _order(self, client_id: str, order_no: str, operation: Operation) -> OrderEntry:
        # One entry even if the number comes again as another operation: that is the point.
        entry = OrderEntry(client_id, order_no, operation)
        return self._orders.setdefault((client_id, order_no), entry)

    def _activation(self, client_id: str, account_id: str) -> ActivationEntry:
        return self._activations.setdefault((client_id, account_id), ActivationEntry())


def _name(fields: Mapping[str, object], key: str) -> str | None:
    """An identifier of a request that may be wrong otherwise; None if it cannot be counted by."""
    value = fields.get(key)
    return value if isinstance(value, str) and value.isprintable() and value else None


def _description(first: Transaction | None) -> dict[str, Json]:
    """Card and amount; `amount` and `currency` of money, `points` of points, else null."""
    intent = None if first is None else first.intent
    change = None if intent is None else intent.change
    money = change if change is not None and change.value_code != POINTS else None
    points = change if change is not None and change.value_code == POINTS else None
    return {
        "accountId": None if intent is None else intent.account_id,
        "loyaltyChannel": None if intent is None else intent.loyalty_channel,
        "amount": None if money is None else f"{abs(money.amount):f}",
        "currency": None if money is None else money.value_code,
        "points": None if points is None else int(abs(points.amount)),
    }


def _execution(transaction: Transaction) -> Json:
    settled_at = transaction.settled_at
    return {
        "checkoutId": transaction.checkout_id,
        "executedAt": _time(transaction.executed_at),
        "settledAt": None if settled_at is None else _time(settled_at),
        "result": int(transaction.result),
    }


def _movement(transaction: Transaction) -> Json:
    intent, change = transaction.intent, transaction.intent.change
    assert change is not None, "only a known change can have succeeded"
    assert transaction.settled_at is not None, "it moved when it was settled"
    return {
        "at": _time(transaction.settled_at),
        "operation": intent.operation,
        "checkoutId": transaction.checkout_id,
        "loyaltyChannel": intent.loyalty_channel,
        "accountId": intent.account_id,
        "valueCode": change.value_code,
        "change": f"{change.amount:f}",
    }


def _time(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds")


def _card(card: HeldCard) -> Json:
    balances: list[Json] = [
        {"valueCode": code, "amount": f"{in_units(amount, code):f}"}
        for code, amount in card.balances.items()
    ]
    return {
        "clientId": card.client_id,
        "loyaltyChannel": card.loyalty_channel,
        "accountId": card.account_id,
        "active": card.active,
        "balances": balances,
    }
