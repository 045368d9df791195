"""What upstream sends in a run: small fixed scenarios, and mixes that a seed draws."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final

from tests.simulation.application import BEGINNING, CHANNEL, CLIENT, Limits, at
from tests.simulation.kafka import OTHERS, PAYMENTS
from tests.simulation.paywizard import Manner
from tests.simulation.plans import PACE, Period
from worker.adapters.avro.frames import encode_frame
from worker.domain.card import Card

CARDS: Final = tuple(Card(CLIENT, CHANNEL, f"60000000000000{number}") for number in range(6))
OTHER_AMOUNT: Final = Decimal("9.99")


@dataclass(frozen=True, slots=True)
class Sending:
    """A record that upstream writes `seconds` after the beginning."""

    value: bytes | None
    seconds: float = 0.0
    topic: str = PAYMENTS
    partition: int = 0
    gap: bool = False
    """Whether an offset before it is used up, as by the marker of an upstream transaction."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """What is sent, to how many workers, and what happens by the clock whatever else does.

    `operator_at` (an operator decides what the book knows), `rebalances`, `joins` (of one more
    worker each) and `crashes` (of the worker that was started last) are seconds; `away` says from when until
    when a service refuses connections, `unreadable` when no inquiry is answered; `skews` are how
    many seconds the workers' clocks are wrong.
    """

    name: str
    sendings: Sequence[Sending]
    workers: int = 1
    limits: Limits = field(default_factory=Limits)
    pace: Mapping[str, float] = field(default_factory=lambda: PACE)
    manners: Sequence[Manner] = ()
    operator_at: Sequence[float] = ()
    rebalances: Sequence[float] = ()
    joins: Sequence[float] = ()
    crashes: Sequence[float] = ()
    away: Mapping[str, Period] = field(default_factory=dict)
    unreadable: Period = (0.0, 0.0)
    skews: Sequence[float] = ()
    database_skew: float = 0.0
    balance: Decimal = Decimal(100)
    purges: bool = False
    """Whether what is over is purged in the end, and everything sent once more."""


@lru_cache(maxsize=4096)
def _encoded(name: str, number: str, fields: tuple[tuple[str, Any], ...]) -> bytes:
    return encode_frame(
        f"paywizard.commands.{name}",
        {"tranOrderNo": number, "clientId": None, "requestedAt": BEGINNING, "expiresAt": None}
        | dict(fields),
    )


def payment(
    number: str,
    card: int = 0,
    amount: Decimal = Decimal("10.50"),
    expires_at: datetime | None = None,
) -> bytes:
    """Encode a payment."""
    return _encoded(
        "PaymentCommand",
        number,
        (
            *_on(card),
            ("amount", amount),
            ("currency", "USD"),
            ("nsfAllowed", None),
            ("expiresAt", expires_at),
        ),
    )


def reload(number: str, card: int = 0) -> bytes:
    """Encode a reload of 20 USD."""
    none = (("activating", None), ("customerInfo", None))
    money = (("amount", Decimal("20.00")), ("currency", "USD"))
    return _encoded("ReloadCommand", number, (*_on(card), *money, *none))


def points(number: str, card: int = 0) -> bytes:
    """Encode an issue of five points."""
    return _encoded("IssuePointsCommand", number, (*_on(card), ("points", 5)))


def inquiry(number: str, card: int = 0) -> bytes:
    """Encode an inquiry."""
    return _encoded("InquiryCommand", number, _on(card))


def void(number: str, original: str) -> bytes:
    """Encode a void by order number."""
    names = (("originalTranOrderNo", original), ("originalCheckoutId", None))
    return _encoded("VoidCommand", number, (*names, ("accountId", None), ("entryType", None)))


def tip(number: str, original: str, card: int = 0) -> bytes:
    """Encode a tip of 2 USD by order number."""
    names = (("originalTranOrderNo", original), ("originalCheckoutId", None))
    money = (("amount", Decimal("2.00")), ("currency", "USD"))
    return _encoded("TipCommand", number, (*_on(card)[1:], *names, *money))


def _on(card: int) -> tuple[tuple[str, Any], ...]:
    return (
        ("loyaltyChannel", None),
        ("accountId", CARDS[card].account_id),
        ("entryType", "K"),
    )


NO_GRACE: Final = Limits(grace_seconds=0.0)
SLOW: Final = {**PACE, "paywizard": 1.5}

FIXED: Final[Sequence[Scenario]] = (
    Scenario(name="a payment", sendings=[Sending(payment("P1"))]),
    Scenario(
        name="a duplicate in another partition",
        sendings=[Sending(payment("P1")), Sending(payment("P1"), partition=1)],
    ),
    Scenario(
        name="a reused number with other content",
        sendings=[
            Sending(payment("P1")),
            Sending(payment("P1", amount=OTHER_AMOUNT)),
            Sending(payment("P1", amount=OTHER_AMOUNT), partition=1),
        ],
    ),
    Scenario(
        name="a void behind its original",
        sendings=[Sending(payment("P1"), gap=True), Sending(void("V1", "P1"), gap=True)],
    ),
    Scenario(
        name="a void before its original",
        sendings=[Sending(void("V1", "P1")), Sending(payment("P1"), 0.5)],
    ),
    Scenario(
        name="two voids of one original",
        sendings=[
            Sending(payment("P1")),
            Sending(void("V1", "P1")),
            Sending(void("V2", "P1"), topic=OTHERS),
        ],
    ),
    Scenario(name="a tip", sendings=[Sending(payment("P1")), Sending(tip("T1", "P1"))]),
    Scenario(name="an inquiry", sendings=[Sending(inquiry("I1"), topic=OTHERS)]),
    Scenario(
        name="balances of one card",
        sendings=[Sending(payment("P1")), Sending(reload("R1")), Sending(points("Q1"))],
    ),
    Scenario(
        name="a card that cannot be read a while",
        sendings=[Sending(payment("P1")), Sending(reload("R1"), 4.0)],
        unreadable=(0.0, 6.0),
    ),
    Scenario(
        name="balances that wait together",
        sendings=[
            Sending(points(f"Q{number}"), 0.05 * number, partition=number % 2)
            for number in range(4)
        ],
        pace={**PACE, "paywizard": 0.1},
    ),
    Scenario(
        name="two cards interleaved",
        sendings=[
            Sending(payment("P1", 0)),
            Sending(payment("P2", 1)),
            Sending(payment("P3", 0), gap=True),
            Sending(payment("P4", 1)),
        ],
    ),
    Scenario(
        name="two workers race for a number",
        sendings=[
            Sending(payment("P1"), 2.0),
            Sending(payment("P1"), 2.0, partition=1),
            Sending(payment("P1", amount=OTHER_AMOUNT), 2.0, topic=OTHERS),
        ],
        workers=2,
    ),
    Scenario(
        name="two workers and a card with two payments",
        sendings=[Sending(payment("P1"), 2.0), Sending(payment("P2"), 2.1)],
        workers=2,
        pace=SLOW,
    ),
    Scenario(
        name="a rebalance while calls are open",
        sendings=[
            Sending(payment("P1", 0), 0.2),
            Sending(payment("P2", 1), 0.2, partition=1),
            Sending(payment("P3", 0), 0.3),
        ],
        pace=SLOW,
        rebalances=[1.0],
        joins=[0.5],
    ),
    Scenario(
        name="declined, throttled, pending and garbled",
        sendings=[
            Sending(payment("P1", amount=Decimal("1000.00"))),
            Sending(payment("P2")),
            Sending(payment("P3")),
            Sending(payment("P4")),
        ],
        manners=[Manner.HONEST, Manner.THROTTLED, Manner.PENDING, Manner.GARBLED],
    ),
    Scenario(
        name="an answer lost, and found by its number",
        sendings=[Sending(payment("P1"))],
        limits=NO_GRACE,
        manners=[Manner.GARBLED],
    ),
    Scenario(
        name="a void in doubt",
        sendings=[Sending(payment("P1")), Sending(void("V1", "P1"))],
        limits=NO_GRACE,
        manners=[Manner.HONEST, Manner.GARBLED],
    ),
    Scenario(
        name="pending that succeeds, later, or fails",
        sendings=[
            Sending(payment("P1", 0)),
            Sending(payment("P2", 1)),
            Sending(payment("P3", 2)),
        ],
        manners=[Manner.PENDING, Manner.PENDING_LATER, Manner.PENDING_FAILS],
    ),
    Scenario(
        name="pending for too long",
        sendings=[Sending(payment("P1"))],
        limits=Limits(budget_seconds=12.0),
        manners=[Manner.PENDING_STUCK],
    ),
    Scenario(
        name="an operator decides before PayWizard does",
        sendings=[
            Sending(payment("P1", 0)),
            Sending(payment("P2", 1)),
            Sending(payment("P3", 2)),
        ],
        manners=[Manner.PENDING_STUCK, Manner.PENDING_NAMELESS, Manner.PENDING_FAILS],
        operator_at=[3.0, 8.0],
    ),
    Scenario(
        name="a wrong token and a late command",
        sendings=[
            Sending(payment("P1")),
            Sending(payment("P2", 1, expires_at=at(0.0))),
            Sending(None),
        ],
        manners=[Manner.UNAUTHORISED],
    ),
    Scenario(
        name="PayWizard away a while",
        sendings=[Sending(payment("P1")), Sending(payment("P2", 1))],
        away={"paywizard": (0.0, 2.5)},
    ),
    Scenario(
        name="the ledger away a while",
        sendings=[Sending(payment("P1"), 0.3), Sending(payment("P2", 1), 0.8)],
        away={"ledger": (0.5, 2.5)},
    ),
    Scenario(
        name="Kafka away a while",
        sendings=[Sending(payment("P1"), 0.3), Sending(payment("P2", 1), 0.8)],
        away={"kafka": (0.5, 2.5)},
    ),
    Scenario(
        name="what an operator may do",
        sendings=[
            Sending(payment("P1")),
            # It waits for the slot, CLAIMED, when the copy of the ledger is taken.
            Sending(payment("P2", 1), 0.3),
            Sending(reload("R1")),
            Sending(reload("R2"), 20.0),
        ],
        limits=Limits(orphan_after_seconds=15.0, concurrency_max=1),
    ),
    Scenario(
        name="work that follows what an operator skipped",
        sendings=[
            Sending(payment("P1")),
            Sending(payment("P2"), 9.0),
            Sending(payment("P3"), 16.5),
        ],
        limits=Limits(orphan_after_seconds=24.0),
        crashes=[18.5],
    ),
    Scenario(
        name="old numbers return after a purge",
        sendings=[
            Sending(payment("P1")),
            Sending(void("V1", "P1")),
            Sending(payment("P1", amount=OTHER_AMOUNT), partition=1),
        ],
        purges=True,
    ),
    Scenario(
        name="clocks that are wrong",
        sendings=[Sending(payment("P1"), 2.0), Sending(payment("P2"), 2.0, partition=1)],
        workers=2,
        skews=[-3600.0, 86000.0],
        database_skew=-7200.0,
    ),
)
