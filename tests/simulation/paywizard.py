"""PayWizard with its book: what was asked, when, and what it did, for the judge to read."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from enum import Enum, auto
from math import inf
from typing import Final

from worker.domain.card import Card
from worker.domain.commands import (
    Command,
    IssuePoints,
    Payment,
    RedeemPoints,
    Reload,
    Tip,
    Void,
)
from worker.domain.money import Money
from worker.domain.replies import (
    Answer,
    Approved,
    Balance,
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
from worker.domain.states import State

POINTS: Final = "Points"
MID: Final = "200000000001"


class Manner(Enum):
    """How PayWizard takes a request."""

    HONEST = auto()
    THROTTLED = auto()
    """HTTP 429, at the door."""
    UNAUTHORISED = auto()
    """HTTP 401, at the door."""
    PENDING = auto()
    """Does it, and says for a while that it does not know yet."""
    PENDING_LATER = auto()
    """Says so too, and does it after that while."""
    PENDING_FAILS = auto()
    """Says so, and does not do it."""
    PENDING_NAMELESS = auto()
    """The same, and gives no checkoutId."""
    PENDING_STUCK = auto()
    """Does it, and never says so."""
    GARBLED = auto()
    """Does it, and answers what nobody can read."""


PENDING_SECONDS: Final[Mapping[Manner, float]] = {
    Manner.PENDING: 9.0,
    Manner.PENDING_LATER: 17.0,
    Manner.PENDING_FAILS: 13.0,
    Manner.PENDING_NAMELESS: 20.0,
    Manner.PENDING_STUCK: inf,
}
"""How long an order stays pending."""


class Honesty(Enum):
    """How PayWizard answers a status query."""

    HONEST = auto()
    NOT_FOUND = auto()
    OTHER_ORDER = auto()
    OTHER_AMOUNT = auto()
    OTHER_MERCHANT = auto()
    DOWN = auto()


@dataclass(eq=False, slots=True)
class Asked:
    """A request to execute. Times are seconds of virtual time; `ended_at`: see `end`."""

    sender: str
    """The process that asked."""
    command: Command
    card: Card | None
    left_at: float
    state: State | None
    """What the ledger said of the order at that moment."""
    ended_at: float | None = None
    heard_at: float | None = None
    """When its sender had an answer, or gave it up; None: it was killed before."""
    arrived: bool = False
    turned_away: bool = False
    """Proven not to count: never connected, or refused at the door."""
    effect: bool = False

    def end(self, now: float) -> None:
        """Note when it was over: done at PayWizard, or given up by whoever sent it."""
        if self.ended_at is None:
            self.ended_at = now


@dataclass(eq=False, slots=True)
class Movement:
    """One effect on a card."""

    command: Command
    card: Card
    value_code: str
    change: Decimal
    voided: bool = False


@dataclass(eq=False, slots=True)
class Order:
    """What PayWizard knows of an order: `settles_at` it stops to be pending, never if infinite."""

    asked: Asked
    checkout_id: str
    original: str | None
    amount: str
    settles_at: float
    does_at_once: bool
    does_at_all: bool
    nameless: bool
    movement: Movement | None = None
    settled: bool = False


@dataclass
class PayWizard:
    """The service; `book` lists all that was asked to be executed, in the order of leaving.

    `finds_numbers`: whether a status query finds an order by its caller's number (G5).
    """

    manner: Callable[[], Manner]
    honesty: Callable[[], Honesty]
    finds_numbers: bool
    is_unreadable: Callable[[], bool]
    """Whether inquiries get answers just now that nobody can read."""
    book: list[Asked] = field(default_factory=list)
    orders: dict[str, Order] = field(default_factory=dict)
    cards: dict[Card, dict[str, Decimal]] = field(default_factory=dict)

    def execute(self, asked: Asked, original_checkout_id: str | None, now: float) -> Reply:
        """Do what was asked, in one of its manners."""
        self.settle(now)
        manner = self.manner()
        asked.arrived = True
        asked.end(now)
        match manner:
            case Manner.THROTTLED:
                asked.turned_away = True
                return Throttled(0.5, Answer(http_status=429))
            case Manner.UNAUTHORISED:
                return Refused(Answer(http_status=401))
            case _:
                order = self._taken(asked, original_checkout_id, manner, now)
        return NoAnswer(Doubt.BAD_REPLY) if manner is Manner.GARBLED else _reply(order)

    def _taken(self, asked: Asked, original: str | None, manner: Manner, now: float) -> Order:
        """Take an order on, and do what is done at once."""
        number = len(self.orders) + 1
        order = Order(
            asked=asked,
            checkout_id=f"9{number:017d}",
            original=original,
            amount=_amount_of(asked.command),
            settles_at=now + PENDING_SECONDS.get(manner, 0.0),
            does_at_once=manner is not Manner.PENDING_LATER,
            does_at_all=manner not in {Manner.PENDING_FAILS, Manner.PENDING_NAMELESS},
            nameless=manner is Manner.PENDING_NAMELESS,
        )
        self.orders[order.checkout_id] = order
        if order.does_at_once and order.does_at_all:
            self._carry_out(order)
        self.settle(now)
        return order

    def settle(self, now: float) -> None:
        """Bring what was pending to its end, once its time has come."""
        for order in self.orders.values():
            if order.settled or order.settles_at > now:
                continue
            order.settled = True
            if order.does_at_all and not order.does_at_once:
                self._carry_out(order)

    def query(
        self, checkout_id: str | None, trans_index_code: str | None, now: float
    ) -> QueryAnswer:
        """Say what became of an order, by one identifier, in one of the ways to be honest."""
        self.settle(now)
        honesty = self.honesty()
        if honesty is Honesty.DOWN:
            return NoAnswer(Doubt.HTTP_STATUS)
        order = self._named(checkout_id, trans_index_code)
        if order is None or honesty is Honesty.NOT_FOUND:
            return OrderNotFound(Answer(http_status=200, code=200))
        found = OrderFound(
            state=_state_of(order),
            mid=MID,
            checkout_id=order.checkout_id,
            trans_index_code=order.asked.command.tran_order_no,
            amount=order.amount,
        )
        match honesty:
            case Honesty.OTHER_ORDER if checkout_id is not None:
                return replace(found, state=2, checkout_id="9" * 18)
            case Honesty.OTHER_AMOUNT if not isinstance(order.asked.command, Void):
                return replace(found, state=2, amount="777")
            case Honesty.OTHER_MERCHANT:
                return replace(found, state=2, mid="1" * 12)
            case _:
                return found

    def _named(self, checkout_id: str | None, trans_index_code: str | None) -> Order | None:
        if checkout_id is not None:
            return self.orders.get(checkout_id)
        named = (
            order
            for order in self.orders.values()
            if order.asked.command.tran_order_no == trans_index_code
        )
        return next(named, None) if self.finds_numbers else None

    def inquire(self, card: Card, now: float) -> Reply:
        """Read a card's balances."""
        self.settle(now)
        if self.is_unreadable():
            return NoAnswer(Doubt.BAD_REPLY)
        held = self.cards.get(card)
        if held is None:
            return Refused(Answer(http_status=200, code=404))
        balances = tuple(Balance(code, amount, Decimal(0)) for code, amount in held.items())
        return Approved(Answer(http_status=200, code=200, balances=balances))

    def _carry_out(self, order: Order) -> None:
        """Move what the order says, if the card has it."""
        order.movement = self._moved(order.asked, order.original)
        order.asked.effect = order.movement is not None

    def _moved(self, asked: Asked, original: str | None) -> Movement | None:
        command, card = asked.command, asked.card
        match command:
            case Payment(money=money) | Tip(money=money):
                return self._move(command, card, money.currency, -money.value)
            case Reload(money=money) if money is not None:
                return self._move(command, card, money.currency, money.value)
            case IssuePoints(points=points):
                return self._move(command, card, POINTS, Decimal(points))
            case RedeemPoints(points=points):
                return self._move(command, card, POINTS, -Decimal(points))
            case Void():
                return self._void(command, original)
            case _:
                raise AssertionError(f"{type(command).__name__} is not executed")

    def _move(
        self, command: Command, card: Card | None, value_code: str, change: Decimal
    ) -> Movement | None:
        held = None if card is None else self.cards.get(card)
        if card is None or held is None or held.get(value_code, Decimal(0)) + change < 0:
            return None
        held[value_code] += change
        return Movement(command, card, value_code, change)

    def _void(self, command: Void, original: str | None) -> Movement | None:
        order = self.orders.get(original or "")
        voided = None if order is None else order.movement
        if voided is None or voided.voided or isinstance(voided.command, Void):
            return None
        voided.voided = True
        return self._move(command, voided.card, voided.value_code, -voided.change)


def _state_of(order: Order) -> int:
    """The state that a query shows (section 5)."""
    if not order.settled:
        return 1
    if order.movement is None:
        return 5
    return 3 if order.movement.voided else 2


def _reply(order: Order) -> Reply:
    """Answer as the order stands."""
    if not order.settled:
        return Pending(_answer(order, 2))
    if order.movement is None:
        return Declined(_answer(order, 1))
    return Approved(_answer(order, 0))


def _answer(order: Order, result: int) -> Answer:
    return Answer(
        http_status=200,
        code=200,
        result=result,
        mid=MID,
        checkout_id=None if order.nameless else order.checkout_id,
        trans_index_code=order.asked.command.tran_order_no,
        ori_checkout_id=order.original,
        amount=order.amount,
    )


def _amount_of(command: Command) -> str:
    """The amount in one of the units that responses have (G3)."""
    match command:
        case Payment(money=money) | Tip(money=money) | Reload(money=Money() as money):
            return str(int(money.value * 10_000))
        case IssuePoints(points=points) | RedeemPoints(points=points):
            return str(points)
        case _:
            return "0"
