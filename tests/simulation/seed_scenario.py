"""The scenario of a seed: a mix of commands, cards, workers, rebalances and wrong clocks."""

from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from decimal import Decimal
from random import Random
from typing import Any, Final

from tests.simulation.application import Limits, at
from tests.simulation.kafka import OTHERS
from tests.simulation.scenarios import (
    CARDS,
    OTHER_AMOUNT,
    Scenario,
    Sending,
    inquiry,
    payment,
    points,
    reload,
    tip,
    void,
)

NEVER: Final = (0.0, 0.0)


LISTS: Final = {
    "send": "sendings",
    "operator": "operator_at",
    "rebalance": "rebalances",
    "join": "joins",
}
"""What a scenario lists, each by the names of its parts."""
SINGLE: Final[Mapping[str, tuple[str, Any]]] = {
    "unreadable": ("unreadable", NEVER),
    "purge": ("purges", False),
    "database-skew": ("database_skew", 0.0),
}
"""What it has or has not, and how it is without."""


@dataclass(frozen=True, slots=True)
class Cards:
    """Which cards the commands of a run are for; `keyed`: each card has one partition."""

    count: int
    keyed: bool


def drawn(random: Random, seed: int) -> Scenario:
    """Draw a scenario."""
    workers = random.choice((1, 1, 2, 2, 3, 4))
    return Scenario(
        name=f"seed {seed}",
        sendings=sorted(_sendings(random), key=lambda sending: sending.seconds),
        workers=workers,
        limits=Limits(
            due_interval_seconds=random.choice((3.0, 6.0, 9.0)),
            replay_duplicates=random.random() < 0.2,
            grace_seconds=random.choice((0.0, 2.0)),
            budget_seconds=random.choice((15.0, 60.0)),
        ),
        purges=random.random() < 0.3,
        operator_at=[random.random() * 25] if random.random() < 0.3 else (),
        unreadable=(0.0, random.random() * 15) if random.random() < 0.2 else NEVER,
        rebalances=[random.random() * 15 for _ in range(random.choice((0, 0, 1, 3)))],
        joins=[random.random() * 10] if random.random() < 0.2 else (),
        skews=[random.choice((0.0, 0.0, -600.0, 600.0)) for _ in range(workers)],
        database_skew=random.choice((0.0, -600.0, 600.0)),
    )


def parts(scenario: Scenario) -> Iterator[str]:
    """Name what can be left out of a scenario."""
    yield from (f"worker{number}" for number in range(1, scenario.workers))
    for kind in LISTS:
        yield from (f"{kind}{number}" for number in range(len(getattr(scenario, LISTS[kind]))))
    yield from (
        kind for kind, (name, none) in SINGLE.items() if getattr(scenario, name) != none
    )
    yield from (f"skew{number}" for number, skew in enumerate(scenario.skews) if skew)


def only(scenario: Scenario, kept: Set[str]) -> Scenario:
    """Leave out what is not kept."""
    changes: dict[str, Any] = {
        name: [
            it for number, it in enumerate(getattr(scenario, name)) if f"{kind}{number}" in kept
        ]
        for kind, name in LISTS.items()
    }
    changes |= {name: none for kind, (name, none) in SINGLE.items() if kind not in kept}
    skews = [skew * (f"skew{number}" in kept) for number, skew in enumerate(scenario.skews)]
    workers = 1 + sum(f"worker{number}" in kept for number in range(1, scenario.workers))
    return replace(scenario, workers=workers, skews=skews, **changes)


def _sendings(random: Random) -> Iterator[Sending]:
    cards = Cards(random.choice((1, 2, 2, 4, len(CARDS))), random.random() < 0.4)
    paid: list[str] = []
    for index in range(random.choice((1, 2, 3, 3, 4, 5, 6, 8))):
        number, card = f"N{index}", random.randrange(cards.count)
        value, is_payment = _command(random, number, card, paid)
        if is_payment:
            paid.append(number)
        yield _placed(random, value, card, cards)
        chance = random.random()
        if chance < 0.15:
            yield _placed(random, value, card, cards)
        elif chance < 0.25:
            yield _placed(random, payment(number, amount=OTHER_AMOUNT), card, cards)


def _command(
    random: Random, number: str, card: int, paid: Sequence[str]
) -> tuple[bytes | None, bool]:
    chance = random.random()
    if chance < 0.55 or (chance < 0.8 and not paid):
        expires_at = at(random.random() * 20) if random.random() < 0.1 else None
        amount = random.choice((Decimal("10.50"), Decimal("60.00")))
        return payment(number, card, amount, expires_at), True
    if chance < 0.72:
        return void(number, random.choice(paid)), False
    if chance < 0.8:
        return tip(number, random.choice(paid), card), False
    makers: Sequence[Callable[[str, int], bytes]] = (reload, points, inquiry)
    if chance < 0.97:
        return random.choice(makers)(number, card), False
    return random.choice((None, b"garbage")), False


def _placed(random: Random, value: bytes | None, card: int, cards: Cards) -> Sending:
    anywhere = random.randrange(2)
    partition = card % 2 if cards.keyed else anywhere
    seconds, gap = random.random() ** 2 * 8, random.random() < 0.2
    sending = Sending(value, seconds, partition=partition, gap=gap)
    if random.random() < 0.15:
        return replace(sending, topic=OTHERS, partition=0)
    return sending
