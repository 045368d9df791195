"""What was reached: arrows of the state picture (of status query and operator none), and claims."""

from collections import Counter
from collections.abc import Mapping

from worker.domain.states import TRANSITIONS, Event, State
from worker.observability.metrics import Metrics


def arrow(before: State, event: Event, after: State) -> str:
    """Name an arrow."""
    return f"{before} ─{event}→ {after}"


def unreached(counts: Mapping[str, int]) -> list[str]:
    """List the arrows of the table of transitions that were never taken."""
    arrows = (arrow(state, event, after) for (state, event), after in TRANSITIONS.items())
    return [name for name in arrows if not counts.get(name)]


def claims(metrics: Metrics) -> Counter[str]:
    """Count what records have been told about their order numbers so far."""
    counted: Counter[str] = Counter()
    for family in metrics.ledger_claims_total.collect():
        for sample in family.samples:
            counted[f"claim {sample.labels['result']}"] += int(sample.value)
    return counted
