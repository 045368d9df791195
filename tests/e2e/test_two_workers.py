"""Two workers share ledger and group, while both are killed and stalled and the broker restarts (P1-P3, P5, P6)."""

import gc
import logging
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pytest

from ops.sandbox.following import RESULTS
from ops.sandbox.kafka import SandboxKafka, create_kafka
from ops.sandbox.postgresql import SandboxPostgres
from ops.sandbox.sending import Sending
from tests.e2e.runs import Run, started, world_of_cards
from tests.e2e.slots import KILLED, Slot

SETTINGS: Final = {
    "KAFKA_SESSION_TIMEOUT_SECONDS": "6",
    "PAYWIZARD_READ_TIMEOUT_SECONDS": "2",
    "PAYWIZARD_CALL_DEADLINE_SECONDS": "3",
    "SEND_DEADLINE_SECONDS": "2",
    "LEASE_SECONDS": "6",
}
PARTITIONS: Final = 4
CARDS: Final = 30
ORDERS: Final = 300
LATENCY_SECONDS: Final = (0.02, 0.6)
HITS: Final = ("kill",) * 6 + ("stall",) * 2 + ("restart the broker",)
EXIT_CODES: Final = {0, 70, 71, KILLED}
AT_WORK_SHARE: Final = 0.7
"""How often a hit waits until its victim has partitions; else it may strike a start."""
SEED: Final = 1
END_SECONDS_MAX: Final = 30.0


@pytest.fixture(scope="module")
def broker() -> Iterator[SandboxKafka]:
    """A Kafka of our own, to be restarted while others use theirs."""
    kafka = create_kafka()
    try:
        kafka.start()
        yield kafka
    finally:
        kafka.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def run(
    request: pytest.FixtureRequest,
    broker: SandboxKafka,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> Iterator[Run]:
    """A PayWizard that takes its time, and either ledger."""
    # Kept log records would keep the sockets that Kafka's clients drop while the broker is away.
    caplog.set_level(logging.CRITICAL, "kafka")
    settings = dict(SETTINGS)
    if request.param == "postgresql":
        server: SandboxPostgres = request.getfixturevalue("postgres")
        settings["LEDGER_URL"] = server.create_database(f"two_workers_{tmp_path.name}")
    with started(
        broker.bootstrap_servers,
        tmp_path,
        world_of_cards(active=CARDS),
        latency_seconds=LATENCY_SECONDS,
        partitions=PARTITIONS,
        settings=settings,
    ) as run:
        yield run
    gc.collect()  # here, where the warnings about dropped sockets are not errors


@dataclass(kw_only=True)
class Upstream:
    """Sends seeded orders: payments over all cards, some again elsewhere, some numbers reused."""

    run: Run
    chance: random.Random
    sent: list[Sending] = field(default_factory=list)
    copies: int = 0
    reuses: int = 0

    def send(self, count: int) -> None:
        """Send so many new orders, and what goes wrong upstream meanwhile."""
        for _ in range(count):
            card = self.chance.choice(self.run.world.cards)
            order = f"order-{len(self.sent)}"
            sending = self.run.payment(order, card, f"{self.chance.randint(1, 3)}.00")
            self.run.sender.send(sending)
            self.sent.append(sending)
            if self.chance.random() < 0.1:
                # The default partitioner keeps a card together; a copy may lie anywhere.
                again = self.chance.choice(self.sent)
                self.run.sender.send(again, partition=self.chance.randrange(PARTITIONS))
                self.copies += 1
            if self.chance.random() < 0.05:
                self.run.sender.send(self.run.payment(order, card, "9.00"))
                self.reuses += 1


def hit(what: str, slot: Slot, broker: SandboxKafka) -> None:
    """Do to a worker, or to the broker, what the schedule says."""
    if what == "kill":
        slot.kill()
    elif what == "stall":
        slot.stall()
    else:
        broker.stop()
        broker.start()


def wait_for_results(run: Run, slots: list[Slot], count: int) -> None:
    """Wait until so many more results are out."""
    enough = len(run.published(RESULTS)) + count
    wait_until(
        run, slots, lambda: len(run.published(RESULTS)) >= enough, "more results are out"
    )


def wait_until(run: Run, slots: list[Slot], condition: Callable[[], bool], what: str) -> None:
    """Wait until it holds, and do a supervisor's work meanwhile."""

    def holds() -> bool:
        for slot in slots:
            slot.look_after()
        return condition()

    run.wait_until(holds, what)


def hit_as_scheduled(
    upstream: Upstream, slots: list[Slot], broker: SandboxKafka, chance: random.Random
) -> None:
    """Send all orders in portions; between two, when some results are out, something happens."""
    run, schedule = upstream.run, chance.sample(HITS, len(HITS))
    portion = ORDERS // (len(schedule) + 1)
    for what in schedule:
        upstream.send(portion)
        wait_for_results(run, slots, chance.randint(1, portion // 3))
        victim = chance.choice([slot for slot in slots if not slot.stalled] or slots)
        if chance.random() < AT_WORK_SHARE:
            wait_until(run, slots, victim.is_at_work, "it has partitions")
        hit(what, victim, broker)
    upstream.send(ORDERS - len(upstream.sent))
    wait_until(run, slots, lambda: not run.follower.incomplete(), "all are complete")


@pytest.mark.timeout(240)
# A client of Kafka drops the sockets of connections that were refused, unclosed.
@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
def test_two_workers_keep_all_promises_whatever_hits_them(
    run: Run, broker: SandboxKafka
) -> None:
    """Nothing twice, nothing lost, every card in order, under kills, stalls and a broker restart."""
    chance = random.Random(SEED)
    upstream = Upstream(run=run, chance=chance)
    slots = [Slot(run, "left"), Slot(run, "right")]
    hit_as_scheduled(upstream, slots, broker, chance)

    verdict = run.verdict()
    codes = [code for slot in slots for code in slot.exit_codes]
    recoveries = [seconds for slot in slots for seconds in slot.recovery_seconds()]
    print(f"\n{verdict.counts}\nexit codes: {codes}")  # noqa: T201 shown with -s
    print(f"seconds from start to first progress: {recoveries}")  # noqa: T201
    assert verdict.findings == ()
    answered = {each.fields["tranOrderNo"] for each in run.published(RESULTS)}
    assert answered == {sending.order for sending in upstream.sent}
    assert verdict.counts["dead letters CONFLICT"] == upstream.reuses > 0
    assert verdict.counts["exact duplicates"] == upstream.copies > 0
    assert set(codes) <= EXIT_CODES
    assert codes.count(KILLED) == HITS.count("kill")
    assert sum(slot.stalls_outlived for slot in slots) == HITS.count("stall")


@pytest.fixture
def small_run(broker: SandboxKafka, tmp_path: Path) -> Iterator[Run]:
    """A slow PayWizard, few cards, SQLite."""
    with started(
        broker.bootstrap_servers,
        tmp_path,
        world_of_cards(active=10),
        latency_seconds=(0.2, 1.0),
        settings=SETTINGS,
    ) as run:
        yield run


def payments(run: Run, name: str) -> list[Sending]:
    """Write one payment for each card."""
    return [run.payment(f"{name}-{n}", card) for n, card in enumerate(run.world.cards)]


def test_of_two_workers_of_one_instance_the_older_leaves(small_run: Run) -> None:
    """It ends with 71 and says why; nothing of it is committed beside what the newer one commits."""
    run = small_run
    older = run.launch("same")
    older.wait_until_ready()
    orders = [s for name in ("one", "two", "three") for s in payments(run, name)]
    run.sender.send(*orders)
    run.wait_until(lambda: len(run.published(RESULTS)) > 3, "the older one is at work")
    assert run.follower.incomplete(), "the older one had done all: this proves nothing"

    newer = run.launch("same")
    assert older.end(END_SECONDS_MAX) == 71
    (failed,) = [line for line in older.lines() if line["event"] == "worker.failed"]
    assert "exception" not in failed
    assert failed["why"]
    run.finish()

    assert newer.running
    assert run.results().keys() == {sending.order for sending in orders}
    assert run.verdict().findings == ()
