"""Breaks of what ends an order that nobody works on any more, and only such a one (P1-P4, P9)."""

from collections.abc import Sequence
from typing import Final

from tests.mutants.mutant import Mutant
from tests.mutants.suites import Suite

ORPHANS: Final[Sequence[Mutant]] = (
    Mutant(
        name="another's lease is not waited for",
        promise="P1",
        why="An operator says NOT_EXECUTED of an order whose request has yet to leave.",
        file="worker/application/process_command.py",
        old="while (left := await self.ledger.lease_left_seconds(entry, lease_seconds)) > 0:",
        new="while (left := 0.0) > 0:",
        suite=Suite.APPLICATION,
    ),
    Mutant(
        name="an orphan's lease is not waited for",
        promise="P1",
        why="The same, of an order whose record was lost.",
        file="worker/application/check_status.py",
        old="            await self.ledger.lease_left_seconds(entry, self.lease_seconds) > 0\n",
        new="            await self.ledger.lease_left_seconds(entry, self.lease_seconds) > 1e9\n",
        suite=Suite.APPLICATION,
    ),
    Mutant(
        name="a record in somebody's hands is lost",
        promise="P2",
        why="A check ends an order that a worker is about to execute, or to publish.",
        file="worker/application/due.py",
        old="            case Place.OPEN | Place.ELSEWHERE:\n                return None\n",
        new="            case Place.OPEN | Place.ELSEWHERE:\n                return Purpose.ORPHAN\n",
        suite=Suite.APPLICATION,
    ),
    Mutant(
        name="a record that came to its outcome between two looks is lost",
        promise="P2",
        why="The order is ended, or marked as published, by what was true a moment ago.",
        file="worker/application/due.py",
        old="case Place.COMPLETE if await self._has_moved(entry):",
        new="case Place.COMPLETE if False:",
        suite=Suite.APPLICATION,
    ),
    Mutant(
        name="skipped records are never looked at again",
        promise="P3",
        why="Who skips offsets leaves orders without any outcome.",
        file="worker/application/due.py",
        old="case Place.COMPLETE if entry.state not in PUBLISHABLE:",
        new="case Place.COMPLETE if False:",
        suite=Suite.APPLICATION,
    ),
    Mutant(
        name="two checks take one lost record's place",
        promise="P2",
        why="The first of them is complete by then, and the second publishes once more.",
        file="worker/application/check_status.py",
        old="if check.replaces is None or not holder.same_record(check.replaces):",
        new="if check.replaces is None:",
        suite=Suite.APPLICATION,
    ),
    Mutant(
        name="a place is taken from an outcome that is out",
        promise="P2",
        why="A commit that is proven meanwhile is not seen, and its outcome published again.",
        file="worker/domain/moves.py",
        old="next_check=NextCheck.LATER, guards_published=True)",
        new="next_check=NextCheck.LATER)",
        suite=Suite.LEDGER,
    ),
    Mutant(
        name="an orphan of an adopted ledger was not executed",
        promise="P9",
        why="The lost ledger had sent it: money has moved, and its outcome denies it.",
        file="worker/application/check_status.py",
        old="case State.CLAIMED if self._may_be_executed(entry):",
        new="case State.CLAIMED if False:",
        suite=Suite.APPLICATION,
    ),
    Mutant(
        name="an orphan that was sent is not in doubt",
        promise="P4",
        why="It stays SUBMITTED: nobody asks PayWizard about it, no operator hears of it.",
        file="worker/application/check_status.py",
        old="                return await self.ledger.move(entry, Event.LEASE_OVER, doubt)\n",
        new="                return entry\n",
        suite=Suite.APPLICATION,
    ),
)
