"""What hits two workers that share ledger and group: one trouble after the other, in a seeded order."""

import logging
import random
import time
from collections import Counter
from collections.abc import Callable, Mapping, Set
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass, field
from typing import Final

from kafka import KafkaAdminClient

from ops.sandbox.following import RESULTS
from ops.sandbox.kafka import SandboxKafka
from tests.e2e.runs import Place, Run
from tests.e2e.slots import Slot
from tests.e2e.upstream import Upstream

AT_WORK_SHARE: Final = 0.7
"""How often a kill waits until its victim has completed something; else it may strike a start."""
AWAY_SECONDS: Final = 8.0
"""Longer than the worker waits for a lock of its ledger, and than a call may take."""
SECONDS_MAX: Final = 120.0
"""More than the 45 s after which Kafka aborts what a worker that never returns has left open."""

log = logging.getLogger(__name__)


@dataclass(kw_only=True)
class Troubles:
    """Does to workers, broker, ledger and PayWizard what the schedule says; keeps what it measured."""

    run: Run
    upstream: Upstream
    broker: SandboxKafka
    ledger_away: Callable[[], AbstractContextManager[None]]
    paywizard_away: Callable[[], AbstractContextManager[None]]
    chance: random.Random
    slots: list[Slot]
    left: list[Slot] = field(default_factory=list)
    """Slots of workers that were there for a while only."""
    takeovers: list[float] = field(default_factory=list)
    """Seconds from the end of a worker to the first record of its partitions that the other completed."""

    def run_through(self, counts: Counter[str], orders: int) -> None:
        """Send so many orders in portions; in the midst of each, when some results are out, something happens."""
        schedule = list(counts.elements())
        self.chance.shuffle(schedule)
        half = max(2, orders // (2 * (len(schedule) + 1)))
        for number, what in enumerate(schedule, 1):
            self.upstream.send(half)
            self._wait_for_results(self.chance.randint(1, max(1, half // 2)))
            log.info("%d of %d: %s", number, len(schedule), what)
            _ACTIONS[what](self, half)
        self.upstream.send(max(0, orders - len(self.upstream.sent)))
        self._settle()
        self.wait_until(lambda: not self.run.follower.incomplete(), "all are complete")

    def kill(self, more: int) -> None:
        """End a worker as a power cut does and start it again at once."""
        victim = self._victim()
        if self.chance.random() < AT_WORK_SHARE:
            self._wait_for_progress(victim)
        log.info("kills %s", victim.instance)
        victim.kill()
        self.upstream.send(more)

    def stall(self, more: int) -> None:
        """Hold a worker still for longer than session timeout and lease."""
        victim = self._victim()
        self.wait_until(victim.is_at_work, "it has partitions")
        log.info("stalls %s", victim.instance)
        victim.stall()
        self.upstream.send(more)

    def terminate(self, more: int) -> None:
        """Tell a worker to drain and end, and start it again once it has."""
        victim = self._victim()
        self.wait_until(victim.is_at_work, "it has partitions")
        log.info("terminates %s", victim.instance)
        self._leave(victim)
        victim.open_again()
        self.upstream.send(more)

    def take_over(self, more: int) -> None:
        """End a worker, and start it again only when the other has completed something in its place."""
        shares = self._settle()
        victim, survivor = self.chance.sample(self.slots, 2)
        places = shares[victim.instance]
        log.info("kills %s for a while", victim.instance)
        killed_at = victim.kill_and_close()
        self.upstream.send(more)

        def taken() -> float | None:
            return survivor.seconds_until_completed(places, killed_at)

        self.wait_until(lambda: taken() is not None, "the other has taken over")
        seconds = taken()
        assert seconds is not None
        log.info("taken over after %.1f s", seconds)
        self.takeovers.append(seconds)
        victim.open_again()

    def visit(self, more: int) -> None:
        """Let a third worker join, work and leave."""
        guest = Slot(self.run, "guest")
        self.slots.append(guest)
        self.upstream.send(more)
        self.wait_until(guest.is_at_work, "the third worker has partitions")
        self._wait_for_progress(guest)
        self._leave(guest)
        self.slots.remove(guest)
        self.left.append(guest)

    def restart_broker(self, more: int) -> None:
        """Let Kafka be away for as long as it takes to stop and start."""
        self.broker.stop()
        self.broker.start()
        self.upstream.send(more)

    def restart_ledger(self, more: int) -> None:
        """Let the database be away for a while."""
        self._while_away(self.ledger_away(), more)

    def refuse_connections(self, more: int) -> None:
        """Let PayWizard be away for a while."""
        self._while_away(self.paywizard_away(), more)

    def wait_until(self, condition: Callable[[], bool], what: str) -> None:
        """Wait until it holds, and do a supervisor's work meanwhile."""

        def holds() -> bool:
            for slot in self.slots:
                slot.look_after()
            return condition()

        self.run.wait_until(holds, what, SECONDS_MAX)

    def _while_away(self, away: AbstractContextManager[None], more: int) -> None:
        with away:
            self.upstream.send(more)
            back_at = time.monotonic() + AWAY_SECONDS
            self.wait_until(lambda: time.monotonic() > back_at, "the time is over")

    def _leave(self, slot: Slot) -> None:
        slot.leave()
        self.wait_until(lambda: slot.is_empty, f"{slot.instance} has left")

    def _victim(self) -> Slot:
        """Choose a worker that is awake."""
        self.wait_until(lambda: not all(slot.stalled for slot in self.slots), "one is awake")
        return self.chance.choice([slot for slot in self.slots if not slot.stalled])

    def _wait_for_results(self, count: int) -> None:
        enough = len(self.run.published(RESULTS)) + count
        self.wait_until(
            lambda: len(self.run.published(RESULTS)) >= enough, "more results are out"
        )

    def _wait_for_progress(self, slot: Slot) -> None:
        self.wait_until(
            lambda: slot.has_progressed() or not self.run.follower.incomplete(),
            "it has completed a record",
        )

    def _settle(self) -> Mapping[str, Set[Place]]:
        """Wait until all workers are awake and share the partitions; return who has which."""
        shares: dict[str, set[Place]] = {}

        def settled() -> bool:
            if any(slot.stalled or not slot.is_at_work() for slot in self.slots):
                return False
            shares.clear()
            shares.update(self._shares())
            return all(shares.get(slot.instance) for slot in self.slots)

        self.wait_until(settled, "both workers have partitions")
        return shares

    def _shares(self) -> dict[str, set[Place]]:
        """Return the partitions that the group has given to each instance; none while it rebalances."""
        group = self.run.settings["KAFKA_GROUP_ID"]
        with closing(
            KafkaAdminClient(bootstrap_servers=self.broker.bootstrap_servers)
        ) as admin:
            described = admin.describe_groups([group])[group]
        if described["group_state"] != "Stable":
            return {}
        return {
            member["group_instance_id"]: {
                (topic["topic"], number)
                for topic in member["member_assignment"]["assigned_partitions"]
                for number in topic["partitions"]
            }
            for member in described["members"]
        }


_ACTIONS: Final[dict[str, Callable[[Troubles, int], None]]] = {
    "kill": Troubles.kill,
    "kill, and the other takes over": Troubles.take_over,
    "stall": Troubles.stall,
    "SIGTERM": Troubles.terminate,
    "a third worker for a while": Troubles.visit,
    "restart the broker": Troubles.restart_broker,
    "the ledger is away": Troubles.restart_ledger,
    "PayWizard refuses connections": Troubles.refuse_connections,
}
