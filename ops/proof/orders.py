"""The promises about order numbers: one effect (P1), one outcome (P2), nothing lost (P3), honest doubt (P4), no reuse (P5, P13)."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from types import MappingProxyType

from ops.proof.history import (
    BookOrder,
    Command,
    DeadLetter,
    Finding,
    Order,
    Place,
    Result,
    event_id,
)

FINAL = frozenset({"SUCCEEDED", "DECLINED", "NOT_EXECUTED"})
OPEN = frozenset({"PENDING", "IN_DOUBT"})
# Who may say so. "Not found" decides nothing, and of what it sent a worker only knows that it waits.
DECIDERS = MappingProxyType(
    {
        ("first", "SUCCEEDED"): frozenset({"REPLY", "STATUS_QUERY"}),
        ("first", "DECLINED"): frozenset({"REPLY", "STATUS_QUERY"}),
        ("first", "NOT_EXECUTED"): frozenset({"REPLY", "WORKER"}),
        ("first", "PENDING"): frozenset({"REPLY", "STATUS_QUERY"}),
        ("first", "IN_DOUBT"): frozenset({"WORKER"}),
        ("final", "SUCCEEDED"): frozenset({"REPLY", "STATUS_QUERY", "OPERATOR"}),
        ("final", "DECLINED"): frozenset({"REPLY", "STATUS_QUERY", "OPERATOR"}),
        ("final", "NOT_EXECUTED"): frozenset({"OPERATOR"}),
    }
)
NAME_AN_ORIGINAL = frozenset({"VOID", "TIP"})
STATUS_CHECKS = "internal.status-checks"
NEVER_ASKED = BookOrder(requests=0, effects=0)

Letters = dict[Place, list[DeadLetter]]


@dataclass(slots=True)
class Trail:
    """Everything that was seen of one order number; `replays` repeat what is among the others.

    `executed` is the record that the first outcome answers.
    """

    order: Order
    commands: list[Command] = field(default_factory=list)
    firsts: list[Result] = field(default_factory=list)
    finals: list[Result] = field(default_factory=list)
    strangers: list[Result] = field(default_factory=list)
    replays: list[Result] = field(default_factory=list)
    executed: Command | None = None

    def results_with(self, event: str) -> list[Result]:
        """Return where results with that eventId belong."""
        if event == event_id(self.order, "first"):
            return self.firsts
        return self.finals if event == event_id(self.order, "final") else self.strangers

    @property
    def latest(self) -> Result | None:
        """The newest outcome that subscribers have."""
        told = self.finals or self.firsts
        return told[-1] if told else None

    @property
    def copies(self) -> int:
        """How many more records ask for what was executed."""
        if self.executed is None or len(self.commands) == 1:
            return 0
        return sum(c.content == self.executed.content for c in self.commands) - 1

    @property
    def returned(self) -> list[Command]:
        """The records that came after the last word had been published."""
        if len(self.commands) == 1:
            return []
        last = next((r for r in (*self.firsts, *self.finals) if r.status in FINAL), None)
        if last is None or last.published_at is None:
            return []
        return [
            c for c in self.commands if c.published_at and c.published_at > last.published_at
        ]

    def finding(self, promise: str, what: str) -> Finding:
        """Say `what` is wrong with this order: a clause that starts with its verb."""
        results = (*self.firsts, *self.finals, *self.strangers)
        return Finding(
            promise=promise,
            subject=str(self.order),
            sentence=f"The {self.order} {what}",
            records=(*(c.place for c in self.commands), *(r.place for r in results)),
        )


def trails(commands: Iterable[Command], results: Iterable[Result]) -> dict[Order, Trail]:
    """Gather commands and results by order number; the eventId tells a first outcome from a final one."""
    found: dict[Order, Trail] = {}
    for command in commands:
        if command.order is not None:
            trail = found.get(command.order) or found.setdefault(
                command.order, Trail(command.order)
            )
            trail.commands.append(command)
    for result in results:
        trail = found.get(result.order) or found.setdefault(result.order, Trail(result.order))
        kind = trail.results_with(result.event_id)
        is_replay = result.replayed and kind is not trail.strangers
        (trail.replays if is_replay else kind).append(result)
    for trail in found.values():
        if trail.firsts:
            trail.executed = _executed(trail.commands, trail.firsts[0].source)
    return found


def _executed(commands: list[Command], source: Place) -> Command | None:
    """Return the command that an outcome of this source answers.

    What a status check ended, because its record had been lost, names the check.
    """
    if source.topic.endswith(STATUS_CHECKS) and len({c.content for c in commands}) == 1:
        return commands[0]
    return next((c for c in commands if c.place == source), None)


def order_findings(trail: Trail, letters: Letters, entry: BookOrder) -> Iterator[Finding]:
    """Check all that is promised about one order number; `entry` is its place in PayWizard's book."""
    yield from _asked(trail, entry)
    if not trail.commands:
        yield from _unasked(trail, entry)
        return
    if trail.strangers:
        yield trail.finding(
            "P2",
            f"has a result at {trail.strangers[0].place} whose eventId is neither its first nor its final "
            "one, so subscribers cannot recognise a repetition.",
        )
    if not trail.firsts:
        yield _lost(trail, letters, entry)
        return
    yield from _outcomes(trail)
    if trail.replays:
        yield from _replays(trail)
    yield from _reuse(trail, letters)
    yield from _remembered(trail, entry)


def open_findings(trail: Trail) -> Iterator[Finding]:
    """P2: where all doubt must be over, no order may wait for its final outcome."""
    latest = trail.latest
    if latest is not None and latest.status in OPEN:
        yield trail.finding(
            "P2",
            f"is still {latest.status}, though everything was to be settled: no final outcome followed.",
        )


def _asked(trail: Trail, entry: BookOrder) -> Iterator[Finding]:
    """P1: at most one effect, and no request after one that was not refused at the door."""
    if entry.effects > 1:
        yield trail.finding(
            "P1",
            f"had a double effect: PayWizard moved its money or points {entry.effects} times in "
            f"{entry.requests} requests. Look at its entry in the book.",
        )
    elif entry.repeats:
        yield trail.finding(
            "P1",
            f"was asked twice: {entry.requests} requests reached PayWizard, {entry.repeats} of them after one "
            "that was not refused at the door. Look at the worker's log for what came of the first one.",
        )


def _unasked(trail: Trail, entry: BookOrder) -> Iterator[Finding]:
    if entry.requests:
        moved = "moved money or points" if entry.effects else "was asked for"
        yield trail.finding("truth", f"{moved}, but no command carries that number.")
    if trail.firsts or trail.finals or trail.strangers or trail.replays:
        yield trail.finding("P2", "has a result, but no command carries that number.")


def _lost(trail: Trail, letters: Letters, entry: BookOrder) -> Finding:
    """P3: no first outcome; say what there is instead."""
    reasons = [x.header("dlq.reason") for c in trail.commands for x in letters.get(c.place, ())]
    if trail.finals:
        instead = "there is only a final one, which must follow a first"
    elif reasons:
        instead = f"there is only a dead letter ({', '.join(reasons)}), though number and client are usable"
    elif entry.effects:
        instead = "nobody was told, though PayWizard moved its money or points"
    else:
        instead = "it is lost, and PayWizard moved nothing"
    return trail.finding("P3", f"has no first outcome: {instead}. Look at its command.")


def _outcomes(trail: Trail) -> Iterator[Finding]:
    """P2: exactly one first outcome, and a final one only after an open one."""
    first = trail.firsts[0]
    if len(trail.firsts) > 1:
        statuses = ", ".join(result.status for result in trail.firsts)
        yield trail.finding(
            "P2", f"has {len(trail.firsts)} first outcomes ({statuses}) instead of one."
        )
    if first.status not in FINAL | OPEN:
        yield trail.finding(
            "P2", f"has a first outcome of an unlisted status: {first.status!r}."
        )
    yield from _decided(trail, "first", first)
    if trail.finals:
        yield from _final(trail, first, trail.finals[0])
        yield from _decided(trail, "final", trail.finals[0])


def _decided(trail: Trail, kind: str, told: Result) -> Iterator[Finding]:
    """P4: an outcome is the word of somebody who can know."""
    deciders = DECIDERS.get((kind, told.status))
    if deciders is not None and told.decided_by not in deciders:
        yield trail.finding(
            "P4",
            f"has a {kind} outcome {told.status} that was decided by {told.decided_by or 'nobody'}; only "
            f"{' or '.join(sorted(deciders))} can know that.",
        )


def _replays(trail: Trail) -> Iterator[Finding]:
    """P2: what is told once more is what was told, or how open that still is."""
    told = {(each.event_id, _said(each)) for each in (*trail.firsts, *trail.finals)}
    for replay in trail.replays:
        if (replay.event_id, _said(replay)) not in told:
            yield trail.finding(
                "P2",
                f"has a result at {replay.place} that says it is a repetition, but nothing like it was told.",
            )


def _said(result: Result) -> tuple[object, ...]:
    """Return what a repetition may not change: from doubt an order may have become pending."""
    status = "open" if result.status in OPEN else result.status
    asked = (result.amount, result.currency, result.points)
    return (status, result.operation, result.card, *asked)


def _final(trail: Trail, first: Result, final: Result) -> Iterator[Finding]:
    if len(trail.finals) > 1:
        yield trail.finding(
            "P2", f"has {len(trail.finals)} final outcomes instead of one at most."
        )
    if first.status in FINAL:
        yield trail.finding(
            "P2",
            f"was already {first.status}, which is the last word, yet {final.status} follows.",
        )
    if final.status not in FINAL:
        yield trail.finding("P2", f"has a final outcome that is not final: {final.status}.")
    # Only within a partition does Kafka say which of two records comes first.
    if (
        first.place.partition != final.place.partition
        or final.place.offset < first.place.offset
    ):
        yield trail.finding("P2", "has a final outcome that can be read before its first one.")


def _reuse(trail: Trail, letters: Letters) -> Iterator[Finding]:
    """P5: one content is executed; its copies stay silent, any other content is one CONFLICT each."""
    executed = trail.executed
    if executed is None:
        source = trail.firsts[0].source
        yield trail.finding(
            "P2", f"has a result that answers {source}, which is no command of it."
        )
        return
    # What was refused comes again when its cause is mended.
    is_redriven = any(name == "redrive.count" for name, _ in executed.headers)
    for command in trail.commands:
        reasons = [letter.header("dlq.reason") for letter in letters.get(command.place, ())]
        if command.content == executed.content and reasons and not is_redriven:
            yield trail.finding(
                "P2",
                f"has its result, yet the record at {command.place}, which asks for the same, became a dead "
                f"letter as well ({', '.join(reasons)}).",
            )
        if command.content != executed.content and reasons != ["CONFLICT"]:
            yield trail.finding(
                "P5",
                f"was used again with other content at {command.place}: that record must have exactly one "
                f"dead letter CONFLICT, found: {', '.join(reasons) or 'none'}.",
            )


def _remembered(trail: Trail, entry: BookOrder) -> Iterator[Finding]:
    """P13: a number that comes back after its end, purged or not, is neither executed nor answered anew."""
    for command in trail.returned[:1]:
        assert command.published_at is not None
        back = {each.place for each in trail.returned}
        what = ""
        if any(at > command.published_at for at in entry.executed_at):
            what = "PayWizard executed it again"
        elif any(result.source in back for result in trail.firsts):
            what = "it was answered anew"
        if what:
            yield trail.finding(
                "P13",
                f"came back at {command.place} after it had ended, and {what}: its number was forgotten. "
                "Look at whether a purge left its tombstone.",
            )
