"""The end of a run: an operator decides what PayWizard does not tell, until no order is open."""

import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

import httpx

from ops.proof.operator_hand import resolution, truth_of
from ops.proof.stage import Stage
from ops.proof.watching import Watcher
from ops.sandbox.following import Sender
from ops.sandbox.paywizard.fault_plan import CALM
from ops.sandbox.paywizard.money import POINTS

FORGOTTEN_AFTER_SECONDS: Final = 150.0
"""When an open order is an operator's though no worker said so: it was killed before it could."""
PATIENCE_SECONDS: Final = 180.0
"""Longest time without anything new: longer than that, and a worker on a busy machine takes its time."""
_LOOK_SECONDS_MAX: Final = 120.0
_LOOKS_SECONDS_MIN: Final = 15.0
_LOOKS_SHARE: Final = 20
"""A look holds PayWizard up for a moment: the pause before the next is so many times as long."""
_AT_ONCE_MAX: Final = 200


class Operator:
    """Writes a ResolutionCommand for each order that has been open for too long."""

    def __init__(self, stage: Stage, watcher: Watcher, parked: set[str]) -> None:
        """Look at nothing before `look`; `parked` are the orders that the workers leave to us."""
        self._stage, self._watcher, self._parked = stage, watcher, parked
        self._next_at = 0.0
        self.resolved: set[str] = set()
        self.forgotten: set[str] = set()
        """Those of them that no worker had left to an operator."""

    def look(self) -> None:
        """Look up what is overdue in PayWizard's book, unless the last look was a moment ago."""
        now = time.monotonic()
        if now < self._next_at or not (overdue := self._overdue(now)):
            return
        booked = self._look_up(overdue)
        client_id = self._stage.client_id
        records = [
            resolution(client_id, order, truth_of(booked.get(order))) for order in overdue
        ]
        with Sender(self._stage.kafka.bootstrap_servers, self._stage.prefix) as sender:
            for first in range(0, len(records), _AT_ONCE_MAX):
                sender.send(*records[first : first + _AT_ONCE_MAX])
        self.resolved.update(overdue)
        self.forgotten.update(order for order in overdue if order not in self._parked)
        took = time.monotonic() - now
        self._next_at = now + max(_LOOKS_SECONDS_MIN, _LOOKS_SHARE * took)

    def _look_up(self, orders: list[str]) -> dict[str, Any]:
        """Return what PayWizard's book has of these, by their numbers."""
        answer = httpx.post(
            f"{self._stage.simulator.book_url}/orders",
            json={"clientId": self._stage.client_id, "tranOrderNos": orders},
            trust_env=False,
            timeout=_LOOK_SECONDS_MAX,
        )
        return {each["tranOrderNo"]: each for each in answer.raise_for_status().json()}

    def look_at_once(self) -> None:
        """Look however short ago the last look was: PayWizard is busy with nothing else."""
        self._next_at = 0.0
        self.look()

    def _overdue(self, now: float) -> list[str]:
        since = self._watcher.open_since
        return sorted(
            order
            for order, at in since.items()
            if order not in self.resolved
            and (order in self._parked or now - at > FORGOTTEN_AFTER_SECONDS)
        )


def settle(
    stage: Stage,
    watcher: Watcher,
    operator: Operator,
    orders: int,
    look_after: Callable[[], None],
) -> str:
    """Calm PayWizard down and wait until all is decided; return what was waited for in vain, or nothing."""
    stage.simulator.follow(CALM)

    def waits(condition: Callable[[], bool]) -> bool:
        watcher.news_at = time.monotonic()
        while not condition():
            look_after()
            watcher.read()
            operator.look_at_once()
            if time.monotonic() - watcher.news_at > PATIENCE_SECONDS:
                return False
        return True

    if not waits(lambda: watcher.answered >= orders):
        return f"{orders - watcher.answered} of {orders} orders were never answered"
    if not waits(lambda: not watcher.open_since):
        return (
            f"{len(watcher.open_since)} orders stayed open: {sorted(watcher.open_since)[:10]}"
        )
    if not waits(watcher.is_complete):
        return "some records were never completed"
    # A card that could not be read is read again later, of which no topic tells.
    if not waits(lambda: not outdated(stage, watcher)):
        return (
            f"the balances of {len(outdated(stage, watcher))} cards were never told as they are"
        )
    return ""


def outdated(stage: Stage, watcher: Watcher) -> list[str]:
    """Return the account ids of which subscribers know other balances than PayWizard's book has."""
    answer = httpx.get(
        f"{stage.simulator.book_url}/cards", trust_env=False, timeout=_LOOK_SECONDS_MAX
    )
    at_first = {
        (card.client_id, card.loyalty_channel, card.account_id): {
            card.currency: card.amount,
            POINTS: Decimal(card.points),
        }
        for card in stage.world.cards
    }
    found = []
    for card in answer.raise_for_status().json():
        key = card["clientId"], card["loyaltyChannel"], card["accountId"]
        held = {each["valueCode"]: Decimal(each["amount"]) for each in card["balances"]}
        if watcher.balances.get(key, at_first[key]) != held:
            found.append(key[-1])
    return found
