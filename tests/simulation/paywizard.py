"""PayWizard with its book: what was asked, when, and what it did, for the judge to read."""

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum, auto
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
from worker.domain.replies import (
    Answer,
    Approved,
    Balance,
    Declined,
    Doubt,
    NoAnswer,
    Pending,
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
    """Does it, and says that it does not know yet."""
    GARBLED = auto()
    """Does it, and answers what nobody can read."""


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


@dataclass
class PayWizard:
    """The service; `book` lists all that was asked to be executed, in the order of leaving."""

    manner: Callable[[], Manner]
    book: list[Asked] = field(default_factory=list)
    cards: dict[Card, dict[str, Decimal]] = field(default_factory=dict)
    _movements: dict[str, Movement] = field(default_factory=dict)
    _numbered: int = 0

    def execute(self, asked: Asked, original_checkout_id: str | None, now: float) -> Reply:
        """Do what was asked, in one of its manners."""
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
                reply = self._carry_out(asked, original_checkout_id)
        if manner is Manner.PENDING and isinstance(reply, Approved):
            return Pending(reply.answer)
        if manner is Manner.GARBLED:
            return NoAnswer(Doubt.BAD_REPLY)
        return reply

    def inquire(self, card: Card) -> Reply:
        """Read a card's balances."""
        held = self.cards.get(card)
        if held is None:
            return Refused(Answer(http_status=200, code=404))
        balances = tuple(Balance(code, amount, Decimal(0)) for code, amount in held.items())
        return Approved(Answer(http_status=200, code=200, balances=balances))

    def _carry_out(self, asked: Asked, original: str | None) -> Reply:
        command, card = asked.command, asked.card
        match command:
            case Payment(money=money) | Tip(money=money):
                moved = self._move(command, card, money.currency, -money.value)
            case Reload(money=money) if money is not None:
                moved = self._move(command, card, money.currency, money.value)
            case IssuePoints(points=points):
                moved = self._move(command, card, POINTS, Decimal(points))
            case RedeemPoints(points=points):
                moved = self._move(command, card, POINTS, -Decimal(points))
            case Void():
                moved = self._void(command, original)
            case _:
                raise AssertionError(f"{type(command).__name__} is not executed")
        asked.effect = moved is not None
        if moved is None:
            return Declined(self._answer(1, original))
        answer = self._answer(0, original)
        assert answer.checkout_id is not None
        self._movements[answer.checkout_id] = moved
        return Approved(answer)

    def _move(
        self, command: Command, card: Card | None, value_code: str, change: Decimal
    ) -> Movement | None:
        held = None if card is None else self.cards.get(card)
        if card is None or held is None or held.get(value_code, Decimal(0)) + change < 0:
            return None
        held[value_code] += change
        return Movement(command, card, value_code, change)

    def _void(self, command: Void, original: str | None) -> Movement | None:
        voided = self._movements.get(original or "")
        if voided is None or voided.voided or isinstance(voided.command, Void):
            return None
        voided.voided = True
        return self._move(command, voided.card, voided.value_code, -voided.change)

    def _answer(self, result: int, original: str | None) -> Answer:
        self._numbered += 1
        return Answer(
            http_status=200,
            code=200,
            result=result,
            mid=MID,
            checkout_id=f"9{self._numbered:017d}",
            trans_index_code=f"{self._numbered:010d}",
            ori_checkout_id=original,
        )
