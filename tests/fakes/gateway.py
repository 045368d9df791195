"""PayWizard in memory behind the Gateway port: it keeps a book of effects, and misbehaves as told."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal

from worker.application.ports import Clock, SendWindow
from worker.domain.card import Card
from worker.domain.commands import (
    Activate,
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
    NotSent,
    NotSentCause,
    OrderFound,
    OrderNotFound,
    QueryAnswer,
    Refused,
    Reply,
)

POINTS = "Points"
MID = "200000000001"
PAYWIZARD_ID = "10000000001"


@dataclass(slots=True)
class HeldCard:
    """What PayWizard knows of a card; balances by currency code or `Points`."""

    balances: dict[str, Decimal]
    active: bool = True


@dataclass(slots=True)
class Movement:
    """One effect: what moved on which card, and whether it has been taken back."""

    command: Command
    card: Card
    value_code: str
    change: Decimal
    voided: bool = False


@dataclass(frozen=True, slots=True)
class Scripted:
    """A reply that is given instead of the honest one; `moved`: after the honest effect."""

    reply: Reply
    moved: bool


@dataclass(eq=False, slots=True)
class FakeWindow:
    """A SendWindow that closes at a moment, or was told to be closed."""

    closes_at: float
    boottime: Callable[[], float]
    shut: bool

    def is_open(self) -> bool:
        """Whether a byte may still leave."""
        return not self.shut and self.boottime() < self.closes_at


class ClientSlots:
    """One client's slots: how many there are, which are held, and whether calls go at all."""

    def __init__(self, concurrency_max: int) -> None:
        self.free = asyncio.Semaphore(concurrency_max)
        self.spare = asyncio.Semaphore(max(1, concurrency_max // 8))
        self.held: list[FakeWindow] = []
        self.going = asyncio.Event()
        self.going.set()


@dataclass
class FakePayWizard:
    """The Gateway port.

    `effects` are the commands that moved something, in order; `requests` is all that reached
    PayWizard, commands and cards inquired about. With `answering` cleared answers are held back,
    after their effect. `boottime` is what send windows are counted on; without a `clock` no
    command expires here.
    """

    concurrency_max: int = 256
    send_deadline_seconds: float = 10.0
    boottime: Callable[[], float] = lambda: 0.0
    clock: Clock | None = None

    effects: list[Command] = field(default_factory=list)
    activations: list[Card] = field(default_factory=list)
    requests: list[Command | Card] = field(default_factory=list)
    queries: list[str] = field(default_factory=list)
    answering: asyncio.Event = field(default_factory=asyncio.Event)
    _cards: dict[Card, HeldCard] = field(default_factory=dict)
    _movements: dict[str, Movement] = field(default_factory=dict)
    _scripts: dict[str | Card | None, deque[Scripted]] = field(default_factory=dict)
    _slots: dict[str, ClientSlots] = field(default_factory=dict)
    _windows_to_shut: int = 0
    _numbered: int = 0
    _answers: deque[QueryAnswer] = field(default_factory=deque)
    _asked: asyncio.Condition = field(default_factory=asyncio.Condition)

    def __post_init__(self) -> None:
        self.answering.set()

    def issue(
        self, card: Card, balances: Mapping[str, int | str | Decimal], *, active: bool = True
    ) -> None:
        """Make a card known."""
        held = {code: Decimal(amount) for code, amount in balances.items()}
        self._cards[card] = HeldCard(held, active)

    def balance(self, card: Card, value_code: str) -> Decimal:
        """What a card holds."""
        return self._cards[card].balances[value_code]

    def will(
        self, *replies: Reply, moved: bool = False, about: str | Card | None = None
    ) -> None:
        """Give these replies next, one each; `moved`: the effect happens first, its answer is lost.

        `about`: only to the command of this order number, or to inquiries about this card.
        """
        queue = self._scripts.setdefault(about, deque())
        queue.extend(Scripted(reply, moved) for reply in replies)

    async def wait_for_requests(self, count: int) -> None:
        """Return once so many requests have arrived since the beginning."""
        async with self._asked:
            await self._asked.wait_for(lambda: len(self.requests) >= count)

    def hold_back(self, client_id: str) -> None:
        """Give no more slots to a client, as while its token is refused."""
        self._slots_of(client_id).going.clear()

    def let_go(self, client_id: str) -> None:
        """Give slots again."""
        self._slots_of(client_id).going.set()

    def shut_windows(self, count: int = 1) -> None:
        """Let the windows of the next slots be closed when they are had."""
        self._windows_to_shut += count

    def slots_held(self, client_id: str) -> int:
        """How many slots of a client are held now."""
        return len(self._slots_of(client_id).held)

    def ready(self, client_id: str) -> bool:
        """Whether `slot` would be had at once."""
        slots = self._slots_of(client_id)
        return slots.going.is_set() and not slots.free.locked()

    @asynccontextmanager
    async def slot(self, client_id: str) -> AsyncIterator[FakeWindow]:
        """Hold one of the client's slots; without limits of rate."""
        slots = self._slots_of(client_id)
        await slots.going.wait()
        async with slots.free:
            shut = self._windows_to_shut > 0
            self._windows_to_shut -= shut
            closes_at = self.boottime() + self.send_deadline_seconds
            window = FakeWindow(closes_at, self.boottime, shut)
            slots.held.append(window)
            try:
                yield window
            finally:
                slots.held.remove(window)

    @asynccontextmanager
    async def spare_slot(self, client_id: str) -> AsyncIterator[FakeWindow]:
        """Hold a slot for a call that can wait, once nobody else waits for one."""
        slots = self._slots_of(client_id)
        async with slots.spare:
            while not self.ready(client_id):  # noqa: ASYNC110 - what it waits for is many things
                await asyncio.sleep(0.01)
            async with self.slot(client_id) as window:
                yield window

    async def execute(
        self,
        command: Command,
        card: Card | None,
        window: SendWindow,
        original_checkout_id: str | None = None,
    ) -> Reply:
        """Do what `command` says, or what was scripted; nothing if it is too late."""
        held = self._slots_of(command.client_id).held
        assert window in held, "a command is executed in a slot that is held"
        if not window.is_open() or self._expired(command):
            return NotSent(NotSentCause.TOO_LATE)
        scripted = self._next(command.tran_order_no)
        if scripted is None:
            reply = self._carry_out(command, card, original_checkout_id)
        else:
            reply = scripted.reply
            if scripted.moved:
                self._carry_out(command, card, original_checkout_id)
        return await self._deliver(command, reply)

    async def inquire(self, card: Card, entry_type: str) -> Reply:
        """Read a card's balances, or what was scripted."""
        assert self._slots_of(card.client_id).held, "an inquiry is made in a slot that is held"
        scripted = self._next(card)
        reply = self._read(card) if scripted is None else scripted.reply
        return await self._deliver(card, reply)

    def will_find(self, *answers: QueryAnswer) -> None:
        """Answer the next status queries so; without more, honestly by checkoutId."""
        self._answers.extend(answers)

    async def query_order(
        self,
        client_id: str,
        *,
        checkout_id: str | None = None,
        trans_index_code: str | None = None,
    ) -> QueryAnswer:
        """Say what became of an order; one that is asked for by its own number is not found."""
        assert self._slots_of(client_id).held, "a query is made in a slot that is held"
        asked = checkout_id or trans_index_code
        assert asked is not None, "a query names an order"
        self.queries.append(asked)
        if self._answers:
            return self._answers.popleft()
        movement = self._movements.get(checkout_id or "")
        if movement is None:
            return OrderNotFound(Answer(http_status=200, code=200))
        state = 3 if movement.voided else 2
        return OrderFound(state=state, mid=MID, checkout_id=checkout_id)

    def _slots_of(self, client_id: str) -> ClientSlots:
        return self._slots.setdefault(client_id, ClientSlots(self.concurrency_max))

    def _expired(self, command: Command) -> bool:
        if self.clock is None or command.expires_at is None:
            return False
        return command.expires_at <= self.clock.now()

    async def _deliver(self, request: Command | Card, reply: Reply) -> Reply:
        if isinstance(reply, NotSent):
            return reply
        self.requests.append(request)
        async with self._asked:
            self._asked.notify_all()
        await self.answering.wait()
        return reply

    def _next(self, about: str | Card) -> Scripted | None:
        queue = self._scripts.get(about) or self._scripts.get(None)
        return queue.popleft() if queue else None

    def _carry_out(self, command: Command, card: Card | None, original: str | None) -> Reply:
        match command:
            case Activate():
                return self._activate(card)
            case Void():
                return self._void(command, original)
            case Tip(money=money):
                tipped = card if self._is_paid(original, card) else None
                return self._move(command, tipped, money.currency, -money.value)
            case Payment(money=money):
                return self._move(command, card, money.currency, -money.value)
            case Reload(money=money):
                assert money is not None, "the fake credits no amount of its own"
                self._activate_with(command, card)
                return self._move(command, card, money.currency, money.value)
            case IssuePoints(points=points):
                return self._move(command, card, POINTS, Decimal(points))
            case RedeemPoints(points=points):
                return self._move(command, card, POINTS, Decimal(-points))
            case _:
                raise AssertionError(f"{type(command).__name__} is not executed")

    def _move(
        self, command: Command, card: Card | None, value_code: str, change: Decimal
    ) -> Reply:
        """Move a balance if the card is active, holds that kind of value, and covers it."""
        held = None if card is None else self._cards.get(card)
        if held is None or card is None or not held.active or value_code not in held.balances:
            return Declined(self._answer(result=1))
        allowed_to_owe = isinstance(command, Payment) and command.nsf_allowed
        if held.balances[value_code] + change < 0 and not allowed_to_owe:
            return Declined(self._answer(result=1))
        held.balances[value_code] += change
        return Approved(self._booked(Movement(command, card, value_code, change)))

    def _is_paid(self, checkout_id: str | None, card: Card | None) -> bool:
        """Whether a standing payment of that card has this checkoutId."""
        paid = None if checkout_id is None else self._movements.get(checkout_id)
        if paid is None or paid.voided:
            return False
        return isinstance(paid.command, Payment) and paid.card == card

    def _void(self, command: Void, original: str | None) -> Reply:
        movement = None if original is None else self._movements.get(original)
        stands = (
            movement is not None
            and movement.command.client_id == command.client_id
            and not isinstance(movement.command, Void)
            and not movement.voided
        )
        if movement is None or not stands:
            return Declined(self._answer(result=1))
        reply = self._move(command, movement.card, movement.value_code, -movement.change)
        movement.voided = isinstance(reply, Approved)
        return _naming(reply, original)

    def _activate(self, card: Card | None) -> Reply:
        if card is None or card not in self._cards:
            return _unknown_card()
        self._cards[card].active = True
        self.activations.append(card)
        return self._read(card)

    def _activate_with(self, command: Reload, card: Card | None) -> None:
        if command.activating and card in self._cards:
            self._cards[card].active = True

    def _read(self, card: Card) -> Reply:
        held = self._cards.get(card)
        if held is None or not held.active:
            return _unknown_card()
        balances = tuple(
            Balance(code, amount, Decimal(0)) for code, amount in held.balances.items()
        )
        return Approved(Answer(http_status=200, code=200, msg="success", balances=balances))

    def _booked(self, movement: Movement) -> Answer:
        answer = self._answer(result=0)
        assert answer.checkout_id is not None
        self._movements[answer.checkout_id] = movement
        self.effects.append(movement.command)
        return answer

    def _answer(self, result: int) -> Answer:
        self._numbered += 1
        return Answer(
            http_status=200,
            code=200,
            msg="success",
            result=result,
            mid=MID,
            paywizard_id=PAYWIZARD_ID,
            checkout_id=f"9{self._numbered:017d}",
            trans_index_code=f"{PAYWIZARD_ID}{self._numbered:010d}",
        )


def _naming(reply: Reply, original: str | None) -> Reply:
    """Let a void's answer name its original."""
    match reply:
        case Approved(answer=answer):
            return Approved(replace(answer, ori_checkout_id=original))
        case Declined(answer=answer):
            return Declined(replace(answer, ori_checkout_id=original))
        case _:
            return reply


def _unknown_card() -> Refused:
    return Refused(Answer(http_status=200, code=404, msg="no such active card"))
