"""The register of troubles: what each is called, what it needs, and what it may not overlap with."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from ops.proof.stage import KAFKA, LEDGER, PAYWIZARD, Ledger, Plan
from ops.proof.troubles import of_network, of_parts, of_workers
from ops.proof.troubles.scene import Blow, Course, Scene

WORKERS: Final = "workers"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of trouble.

    `hits`: no two troubles that hit one of the same are under way at once. `weight`: how often it
    strikes in a round in which each kind does. None of `ledger` and `brokers`: with any.
    """

    course: Callable[[Scene, Blow], Course]
    hits: frozenset[str]
    weight: int = 1
    ledger: Ledger | None = None
    brokers: int | None = None
    workers_min: int = 1

    def suits(self, plan: Plan) -> bool:
        """Whether such a run can meet it."""
        return (
            self.ledger in {None, plan.ledger}
            and self.brokers in {None, plan.brokers}
            and self.workers_min <= plan.workers
        )


# Whoever is to end with exit code 0, or is timed while it takes over, needs all else to be well.
_ALL_WELL: Final = frozenset({WORKERS, KAFKA, LEDGER, PAYWIZARD})
_ONLY_WORKERS: Final = frozenset({WORKERS})

_OWN: Final[dict[str, Kind]] = {
    "SIGKILL": Kind(course=of_workers.kill, hits=_ONLY_WORKERS, weight=3),
    "SIGKILL and takeover": Kind(course=of_workers.take_over, hits=_ALL_WELL, workers_min=2),
    "SIGSTOP": Kind(course=of_workers.stall, hits=_ONLY_WORKERS),
    "SIGTERM": Kind(course=of_workers.terminate, hits=_ALL_WELL),
    "a worker joins and leaves": Kind(course=of_workers.visit, hits=_ALL_WELL),
    "Kafka restarts": Kind(course=of_parts.restart_kafka, hits=frozenset({KAFKA}), brokers=1),
    "Kafka's brokers restart in turn": Kind(
        course=of_parts.restart_in_turn, hits=frozenset({KAFKA}), brokers=3
    ),
    "a broker is killed": Kind(
        course=of_parts.kill_a_broker, hits=frozenset({KAFKA}), brokers=3
    ),
    "PostgreSQL restarts": Kind(
        course=of_parts.stop_database, hits=frozenset({LEDGER}), ledger=Ledger.POSTGRESQL
    ),
    "PostgreSQL crashes": Kind(
        course=of_parts.crash_database, hits=frozenset({LEDGER}), ledger=Ledger.POSTGRESQL
    ),
    "PostgreSQL cuts its connections": Kind(
        course=of_parts.cut_connections, hits=frozenset({LEDGER}), ledger=Ledger.POSTGRESQL
    ),
    "SQLite is locked": Kind(
        course=of_parts.lock_ledger, hits=frozenset({LEDGER}), ledger=Ledger.SQLITE
    ),
    "the disk is full": Kind(
        course=of_parts.fill_disk, hits=frozenset({LEDGER, WORKERS}), ledger=Ledger.SQLITE
    ),
    "PayWizard stands still": Kind(
        course=of_parts.pause_paywizard, hits=frozenset({PAYWIZARD})
    ),
}
_NETWORK: Final = {
    f"{what}: {name}": Kind(
        course=of_network.between_workers_and(what, mode),
        hits=frozenset({what}),
        ledger=Ledger.POSTGRESQL if what == LEDGER else None,
    )
    for what in (KAFKA, PAYWIZARD, LEDGER)
    for name, mode in of_network.MODES.items()
}
KINDS: Final = _OWN | _NETWORK


def kinds_for(plan: Plan) -> dict[str, Kind]:
    """Return the kinds of trouble that such a run can meet, by name."""
    return {name: kind for name, kind in KINDS.items() if kind.suits(plan)}
