"""What was reached: arrows of the state picture, under which troubles, and what claims were told."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Final

from worker.domain.entry import Entry
from worker.domain.states import TRANSITIONS, Event, State
from worker.observability.metrics import Metrics

TROUBLES: Final[Mapping[str, str]] = {
    "nothing": "calm",
    "crash": "crash",
    "stall": "stall",
    "drain": "drain",
    "takeover": "taken",
    "expired": "expir",
    "rebalance": "rebal",
    "aborted": "abort",
    "kafka.commit unknown": "commit?",
    "kafka refused": "K-refus",
    "kafka request_lost": "K-req",
    "kafka answer_lost": "K-ans",
    "kafka late": "K-late",
    "ledger refused": "L-refus",
    "ledger request_lost": "L-req",
    "ledger answer_lost": "L-ans",
    "ledger late": "L-late",
    "paywizard refused": "P-refus",
    "paywizard request_lost": "P-req",
    "paywizard answer_lost": "P-ans",
    "paywizard late": "P-late",
}
"""What may befall an order's process, or all of them, while the order stands in a state."""
CELL: Final = " under "
ROW_WIDTH: Final = 36
COLUMN_WIDTH: Final = 8

Key = tuple[str, str]


class Befallen:
    """Counts moves of orders by what befell their processes since the move before."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._log: list[tuple[str, str | None]] = []
        self._since: dict[Key, int] = {}

    def note(self, trouble: str, process: str | None = None) -> None:
        """Note a trouble; `process` None: it befell all."""
        self.counts[trouble] += 1
        self._log.append((trouble, process))

    def claimed(self, entry: Entry) -> None:
        """Note that an order has come."""
        self.counts[f"new → {entry.state}"] += 1
        self._since[entry.key] = len(self._log)

    def moved(self, before: Entry, event: Event, after: Entry, mover: str) -> None:
        """Count a move under everything that befell the order's process or the one that moves it."""
        name, whose = arrow(before.state, event, after.state), {before.owner, mover, None}
        self.counts[name] += 1
        since = self._log[self._since.get(before.key, 0) :]
        troubles = {trouble for trouble, process in since if process in whose} or {"nothing"}
        self.counts.update(f"{name}{CELL}{trouble}" for trouble in troubles)
        self._since[before.key] = len(self._log)


def arrow(before: State, event: Event, after: State) -> str:
    """Name an arrow."""
    return f"{before} ─{event}→ {after}"


def arrows() -> list[str]:
    """Name every arrow of the table of transitions."""
    return [arrow(state, event, after) for (state, event), after in TRANSITIONS.items()]


def unreached(counts: Mapping[str, int]) -> list[str]:
    """List the arrows that were never taken."""
    return [name for name in arrows() if not counts.get(name)]


def matrix(counts: Mapping[str, int]) -> Iterator[str]:
    """Print how often each arrow was taken under each trouble; `.` is never."""
    heads = "".join(f"{head:>{COLUMN_WIDTH}}" for head in TROUBLES.values())
    yield f"{'state ─event→ next':{ROW_WIDTH}}{heads}"
    for name in arrows():
        cells = (counts.get(f"{name}{CELL}{trouble}", 0) for trouble in TROUBLES)
        row = "".join(f"{cell or '.':>{COLUMN_WIDTH}}" for cell in cells)
        yield f"{name.replace('resolved', 'res'):{ROW_WIDTH}}{row}"
    missing = list(never(counts))
    yield f"{len(missing)} of {len(arrows()) * len(TROUBLES)} cells never occurred"
    for name in arrows():
        empty = [trouble for each, trouble in missing if each == name]
        if len(empty) == len(TROUBLES):
            yield f"  {name}: under nothing at all"
        elif empty:
            yield f"  {name}: {', '.join(empty)}"


def never(counts: Mapping[str, int]) -> Iterator[tuple[str, str]]:
    """List the arrows with the troubles under which they were never taken."""
    for name in arrows():
        for trouble in TROUBLES:
            if not counts.get(f"{name}{CELL}{trouble}"):
                yield name, trouble


def claims(metrics: Metrics) -> Counter[str]:
    """Count what records have been told about their order numbers so far."""
    counted: Counter[str] = Counter()
    for family in metrics.ledger_claims_total.collect():
        for sample in family.samples:
            counted[f"claim {sample.labels['result']}"] += int(sample.value)
    return counted
