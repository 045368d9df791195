"""Breaks of the order of a card's commands and of its balance changes (P6, P7)."""

from collections.abc import Sequence
from typing import Final

from tests.mutants.mutant import Mutant
from tests.mutants.suites import Suite

CARDS: Final[Sequence[Mutant]] = (
    Mutant(
        name="turns are not waited for",
        promise="P6",
        why="A card's reload and its payment run at once, and the payment is declined.",
        file="worker/application/dispatch.py",
        old="                await turn.wait()\n",
        new="                await asyncio.sleep(0)\n",
        suite=Suite.SEEDS,
    ),
    Mutant(
        name="only the first of a line is waited for",
        promise="P6",
        why="The third command of a card runs beside the second.",
        file="worker/application/turns.py",
        old="            lines[line] = self\n",
        new="            lines.setdefault(line, self)\n",
        suite=Suite.SEEDS,
    ),
    Mutant(
        name="a redelivered refresh gets a new number",
        promise="P7",
        why="One change of a balance is told twice, under two numbers.",
        file="worker/application/refresh_balance.py",
        old="        if state.covers(record.source):\n",
        new="        if state.covers(record.source) and state.last is None:\n",
        suite=Suite.SEEDS,
    ),
    Mutant(
        name="a redelivered refresh forgets its event",
        promise="P7",
        why="The event that a crash kept from being published leaves a gap.",
        file="worker/application/refresh_balance.py",
        old="if state.holds_event_of(record.source) and not state.published:",
        new="if state.holds_event_of(record.source) and state.published:",
        suite=Suite.SEEDS,
    ),
    Mutant(
        name="numbered before the last event is proven",
        promise="P7",
        why="A card's next event overwrites one that is not out yet.",
        file="worker/application/refresh_balance.py",
        old="            case Place.COMPLETE:\n",
        new="            case Place.COMPLETE | Place.OPEN | Place.ELSEWHERE:\n",
        suite=Suite.APPLICATION,
    ),
    Mutant(
        name="a card moves without compare-and-set",
        promise="P7",
        why="Two workers record two events under one number.",
        file="worker/adapters/sql/balances.py",
        old=".where(*_is_card(state.card), balances.c.version == state.version)",
        new=".where(*_is_card(state.card))",
        suite=Suite.LEDGER,
    ),
)
