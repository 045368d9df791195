"""One worker under test with all that is its own: simulator, ledger, topics and consumer group."""

import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import httpx

from ops.proof.checker import Verdict, check
from ops.proof.gathering import read_history
from ops.sandbox.following import (
    BALANCE_CHANGES,
    DEAD_LETTERS,
    RESULTS,
    Follower,
    Seen,
    Sender,
)
from ops.sandbox.paywizard.fault_plan import FaultPlan
from ops.sandbox.paywizard.world import Card, World, make_sandbox_world
from ops.sandbox.sending import Desk, Sending
from ops.sandbox.simulator_process import SimulatorProcess
from ops.sandbox.worker_process import WorkerProcess, prepare, worker_settings

SECONDS_MAX: Final = 60.0

Fields = dict[str, Any]


def world_of_cards(active: int, idle: int = 0) -> World:
    """Return a client with that many cards, each with 100.00 USD and 50 points, or idle and empty."""
    (client,) = make_sandbox_world(seed=0, clients=1, cards=0).clients
    cards = [
        Card(
            client_id=client.client_id,
            loyalty_channel=client.loyalty_channel,
            account_id=f"6{number:014d}",
            currency="USD",
            amount=Decimal(100 if number < active else 0),
            points=50 if number < active else 0,
            active=number < active,
        )
        for number in range(active + idle)
    ]
    return World(clients=(client,), cards=tuple(cards))


@dataclass(kw_only=True)
class Run:
    """What a test has in hand. `seen` is everything that was committed so far.

    `kafka` are the bootstrap servers that the test itself uses.
    """

    kafka: str
    world: World
    settings: dict[str, str]
    log_path: Path
    simulator: SimulatorProcess
    sender: Sender
    follower: Follower
    workers: list[WorkerProcess] = field(default_factory=list)
    seen: list[Seen] = field(default_factory=list)
    desk: Desk = field(default_factory=lambda: Desk(now=datetime.now(UTC)))

    def start_worker(self) -> WorkerProcess:
        """Start a worker, for the first time or again, and return once it is ready."""
        worker = WorkerProcess(self.settings, self.log_path)
        self.workers.append(worker)
        worker.wait_until_ready()
        return worker

    def launch(self, instance: str) -> WorkerProcess:
        """Start a worker of that INSTANCE_ID, with a log of its own, and return at once."""
        settings = self.settings | {"INSTANCE_ID": instance}
        log_name = f"worker-{instance}-{len(self.workers)}.log"
        worker = WorkerProcess(settings, self.log_path.with_name(log_name))
        self.workers.append(worker)
        return worker

    def finish(self) -> None:
        """Wait until every record is complete and every balance refresh has ended."""
        self.wait_until(lambda: not self.follower.incomplete(), "all records are complete")

    def wait_until(
        self, condition: Callable[[], bool], what: str, seconds_max: float = SECONDS_MAX
    ) -> None:
        """Return when it holds; fail with what is not complete, and with the worker's last lines."""
        deadline = time.monotonic() + seconds_max
        while not condition():
            if time.monotonic() > deadline:
                last = self.workers[-1].error(f"was waited for in vain: {what}")
                raise AssertionError(f"{last}\nIncomplete: {self.follower.incomplete()}")
            self.read()
        self.read()

    def read(self) -> None:
        """Take in what was committed meanwhile."""
        self.seen += self.follower.read()

    def published(self, topic: str) -> list[Seen]:
        """Return what was published on one topic."""
        return [each for each in self.seen if each.topic == topic]

    def results(self) -> dict[str, Fields]:
        """Return the results by order number; no number has two."""
        found = [each.fields for each in self.published(RESULTS)]
        by_order = {fields["tranOrderNo"]: fields for fields in found}
        assert len(by_order) == len(found), "an order number has two results"
        return by_order

    def balance_changes(self, card: Card) -> list[Fields]:
        """Return a card's balance changes in their order."""
        changes = (each.fields for each in self.published(BALANCE_CHANGES))
        return [fields for fields in changes if fields["accountId"] == card.account_id]

    def letter_about(self, sending: Sending, place: tuple[int, int]) -> Seen:
        """Return the one dead letter about what was sent and lies at (partition, offset)."""
        original = (f"{self.settings['KAFKA_TOPIC_PREFIX']}{sending.topic}", *map(str, place))
        names = [f"dlq.original.{name}" for name in ("topic", "partition", "offset")]
        (letter,) = (
            each
            for each in self.published(DEAD_LETTERS)
            if tuple(each.header(name) for name in names) == original
        )
        return letter

    def book(self) -> Fields:
        """Return what reached the simulator; orders by their number."""
        answer = httpx.get(self.simulator.book_url, trust_env=False)
        book: Fields = answer.raise_for_status().json()
        return book | {"orders": {each["tranOrderNo"]: each for each in book["orders"]}}

    def verdict(self) -> Verdict:
        """Return what the independent checker says."""
        prefix = self.settings["KAFKA_TOPIC_PREFIX"]
        default = self.world.clients[0].client_id
        return check(read_history(self.kafka, prefix, self.simulator.book_url, default))

    def payment(self, order: str, card: Card, amount: str = "1.00") -> Sending:
        """Write a good payment."""
        return self.desk.command("PaymentCommand", order, card, amount=amount, currency="USD")


@contextmanager
def started(
    kafka: str,
    folder: Path,
    world: World,
    *,
    latency_seconds: tuple[float, float] = (0.0, 0.0),
    plan: FaultPlan | None = None,
    partitions: int = 1,
    settings: Mapping[str, str] | None = None,
) -> Iterator[Run]:
    """Set everything up but the worker; all of it ends with the block, however that ends."""
    name = f"e2e-{uuid.uuid4().hex[:8]}"
    with SimulatorProcess(folder, world, latency_seconds, plan=plan) as simulator:
        ours = worker_settings(
            folder, world, kafka=kafka, name=name, paywizard_url=simulator.url
        )
        ours |= settings or {}
        prepare(ours, partitions)
        prefix = ours["KAFKA_TOPIC_PREFIX"]
        with Sender(kafka, prefix) as sender, Follower(kafka, prefix, name) as follower:
            run = Run(
                kafka=kafka,
                world=world,
                settings=ours,
                log_path=folder / "worker.log",
                simulator=simulator,
                sender=sender,
                follower=follower,
            )
            try:
                yield run
            finally:
                for worker in run.workers:
                    worker.close()
