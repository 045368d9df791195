"""Two workers share ledger and group, while all that can hit them does (P1-P3, P5, P6, P8, P12).

`pytest tests/e2e/test_two_workers.py -k whatever --orders 5000 -s` is the large run: minutes for each
ledger, and the troubles of `LARGE`. Without `--orders` it is the small one. `--basetemp FOLDER` keeps
the workers' logs there.
"""

import gc
import logging
import random
import sqlite3
import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Final

import pytest

from ops.proof.checker import Verdict
from ops.sandbox.following import RESULTS
from ops.sandbox.kafka import SandboxKafka, create_kafka
from ops.sandbox.postgresql import SandboxPostgres
from ops.sandbox.sending import Sending
from tests.e2e.door import Door
from tests.e2e.runs import Run, started, world_of_cards
from tests.e2e.slots import KILLED, Slot
from tests.e2e.troubles import Troubles
from tests.e2e.upstream import Upstream

SETTINGS: Final = {
    "KAFKA_SESSION_TIMEOUT_SECONDS": "6",
    "PAYWIZARD_READ_TIMEOUT_SECONDS": "2",
    "PAYWIZARD_CALL_DEADLINE_SECONDS": "3",
    "SEND_DEADLINE_SECONDS": "2",
    "LEASE_SECONDS": "6",
}
PARTITIONS: Final = 4
LATENCY_SECONDS: Final = (0.02, 0.6)
EXIT_CODES: Final = {0, 70, 71, 75, KILLED}
"""Ends that a worker may come to: 75 if it starts while Kafka or the ledger is away."""
SEED: Final = 1
END_SECONDS_MAX: Final = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much is sent over how many cards, and how often what happens meanwhile."""

    orders: int
    cards: int
    troubles: Counter[str]


SMALL: Final = Size(
    orders=300,
    cards=30,
    troubles=Counter(
        {
            "kill": 4,
            "kill, and the other takes over": 1,
            "stall": 1,
            "SIGTERM": 1,
            "restart the broker": 1,
            "the ledger is away": 1,
            "PayWizard refuses connections": 1,
        }
    ),
)
LARGE: Final = Size(
    orders=5000,
    cards=200,
    troubles=Counter(
        {
            "kill": 20,
            "kill, and the other takes over": 4,
            "stall": 5,
            "SIGTERM": 3,
            "a third worker for a while": 2,
            "restart the broker": 2,
            "the ledger is away": 2,
            "PayWizard refuses connections": 2,
        }
    ),
)


@pytest.fixture
def size(request: pytest.FixtureRequest) -> Size:
    """The small run, or what `--orders` asks for."""
    orders: int | None = request.config.getoption("orders")
    if orders is None:
        return SMALL
    like = LARGE if orders >= LARGE.orders else SMALL
    return Size(orders=orders, cards=like.cards, troubles=like.troubles)


@pytest.fixture(scope="module")
def broker() -> Iterator[SandboxKafka]:
    """A Kafka of our own, to be restarted while others use theirs."""
    kafka = create_kafka()
    try:
        kafka.start()
        yield kafka
    finally:
        kafka.close()


@pytest.fixture(scope="module")
def database() -> Iterator[SandboxPostgres]:
    """A PostgreSQL of our own, to be restarted while others use theirs."""
    server = SandboxPostgres({"fsync": "off"})
    try:
        server.start()
        yield server
    finally:
        server.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """A ledger's settings, and how it goes away for the time of a block."""

    settings: dict[str, str]
    away: Callable[[], AbstractContextManager[None]]


@pytest.fixture(params=["sqlite", "postgresql"])
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Ledger:
    """Either ledger."""
    if request.param == "sqlite":
        path = tmp_path / "ledger.db"
        return Ledger(settings={}, away=lambda: locked(path))
    server: SandboxPostgres = request.getfixturevalue("database")
    url = server.create_database(f"two_workers_{tmp_path.name}")
    ends = cycle((server.kill, server.stop))
    return Ledger(settings={"LEDGER_URL": url}, away=lambda: restarting(server, next(ends)))


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an SQLite file's write lock on a connection of our own."""
    with closing(sqlite3.connect(path, isolation_level=None, timeout=END_SECONDS_MAX)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield
        other.execute("ROLLBACK")


@contextmanager
def restarting(server: SandboxPostgres, end: Callable[[], None]) -> Iterator[None]:
    """Have no server for the time of the block, after an end like a crash or a clean one."""
    end()
    try:
        yield
    finally:
        server.start()


@pytest.fixture
def run(broker: SandboxKafka, ledger: Ledger, size: Size, tmp_path: Path) -> Iterator[Run]:
    """A PayWizard that takes its time."""
    with started(
        broker.bootstrap_servers,
        tmp_path,
        world_of_cards(active=size.cards),
        latency_seconds=LATENCY_SECONDS,
        partitions=PARTITIONS,
        settings=SETTINGS | ledger.settings,
    ) as run:
        yield run
    gc.collect()  # here, where the warnings about dropped sockets are not errors


@pytest.fixture
def door(run: Run) -> Iterator[Door]:
    """The workers' only way to PayWizard."""
    with Door(run.settings["PAYWIZARD_BASE_URL"]) as door:
        run.settings["PAYWIZARD_BASE_URL"] = door.url
        yield door


def spread(times: Iterable[float | None]) -> str:
    """Say of measured seconds the least, the median, the greatest, and all."""
    seconds = sorted(each for each in times if each is not None)
    if not seconds:
        return "none"
    middle = statistics.median(seconds)
    return f"min {seconds[0]:.1f}, median {middle:.1f}, max {seconds[-1]:.1f} s of {seconds}"


def print_figures(troubles: Troubles, verdict: Verdict) -> None:
    """Say what was looked at, what was found and how long recovery took; shown with -s."""
    slots = [*troubles.slots, *troubles.left]
    codes = Counter(code for slot in slots for code in slot.exit_codes)
    launches = [launch for slot in slots for launch in slot.recoveries()]
    recovered = [each for each in launches if each.seconds_to_progress() is not None]
    for line in (
        f"\n{verdict.counts}",
        *(f"{finding.promise}: {finding}" for finding in verdict.findings),
        f"exit codes: {dict(codes)}",
        *(f"unexpected: {text}" for slot in slots for text in slot.unexpected),
        f"{len(launches)} starts after a kill, {len(recovered)} lived to complete a record",
        f"start to first record: {spread(each.seconds_to_progress() for each in recovered)}",
        f"start to first line: {spread(each.seconds_to_first_line() for each in recovered)}",
        f"kill to the other's first record instead: {spread(troubles.takeovers)}",
    ):
        print(line)  # noqa: T201


# Every single wait in here has a limit of its own, and fails with what it waited for.
@pytest.mark.timeout(3600)
# A client of Kafka drops the sockets of connections that were refused, unclosed.
@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
def test_two_workers_keep_all_promises_whatever_hits_them(
    run: Run,
    door: Door,
    size: Size,
    broker: SandboxKafka,
    ledger: Ledger,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Nothing twice, nothing lost, every card in order, and after each trouble it goes on by itself."""
    # Kept log records would keep the sockets that Kafka's clients drop while the broker is away.
    caplog.set_level(logging.CRITICAL, "kafka")
    caplog.set_level(logging.INFO, "tests.e2e")
    chance = random.Random(SEED)
    upstream = Upstream(run=run, chance=chance, partitions=PARTITIONS)
    troubles = Troubles(
        run=run,
        upstream=upstream,
        broker=broker,
        ledger_away=ledger.away,
        paywizard_away=door.shut,
        chance=chance,
        slots=[Slot(run, "left"), Slot(run, "right")],
    )
    troubles.run_through(size.troubles, size.orders)

    verdict = run.verdict()
    print_figures(troubles, verdict)
    assert verdict.findings == ()
    answered = {each.fields["tranOrderNo"] for each in run.published(RESULTS)}
    assert answered == {sending.order for sending in upstream.sent}
    assert verdict.counts["dead letters CONFLICT"] == upstream.reuses > 0
    assert verdict.counts["exact duplicates"] == upstream.copies > 0
    assert_as_ordered(troubles, size.troubles)


def assert_as_ordered(troubles: Troubles, counts: Counter[str]) -> None:
    """Each worker ended as it was made to, and each trouble struck."""
    slots = [*troubles.slots, *troubles.left]
    codes = Counter(code for slot in slots for code in slot.exit_codes)
    takeovers = counts["kill, and the other takes over"]
    assert set(codes) <= EXIT_CODES
    assert codes[KILLED] == counts["kill"] + takeovers
    assert codes[0] == counts["SIGTERM"] + counts["a third worker for a while"]
    assert len(troubles.takeovers) == takeovers
    assert sum(slot.stalls_outlived for slot in slots) == counts["stall"]
    lines = [line for worker in troubles.run.workers for line in worker.lines()]
    said = {(line["event"], line.get("cause")) for line in lines}
    assert ("ledger.unavailable", None) in said
    assert ("paywizard.call_failed", "ClientConnectorError") in said


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
