"""Doubt on real parts: answers lost, orders pending, queries that lie, workers killed; then calm (P1, P2, P4, P7).

`pytest tests/e2e/test_doubt.py --orders 3000 -s` is the large run; `--basetemp FOLDER` keeps the
workers' logs there.
"""

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest

from ops.proof.checker import Verdict, check
from ops.proof.orders import FINAL, OPEN
from ops.proof.reading import Schemas, fetch_book, read_history
from ops.sandbox.following import RESULTS
from ops.sandbox.kafka import SandboxKafka
from ops.sandbox.paywizard.fault_plan import CALM
from ops.sandbox.postgresql import SandboxPostgres
from tests.e2e.doubtful_day import LOST, MOVING, PENDING, Upstream, doubtful_plan
from tests.e2e.operator_hand import resolution, truth_of
from tests.e2e.runs import Run, started, world_of_cards
from tests.e2e.slots import KILLED, Slot

SETTINGS: Final = {
    "KAFKA_SESSION_TIMEOUT_SECONDS": "6",
    "PAYWIZARD_READ_TIMEOUT_SECONDS": "2",
    "PAYWIZARD_CALL_DEADLINE_SECONDS": "3",
    "SEND_DEADLINE_SECONDS": "2",
    "LEASE_SECONDS": "6",
    "IN_DOUBT_GRACE_SECONDS": "1",
    "ORIGINAL_WAIT_SECONDS": "5",
}
LAST_LOOK_SECONDS: Final = 5.0
"""Between two looks at an open order lies half of its age, and what a busy machine adds."""
PARTITIONS: Final = 4
SEED: Final = 5
PATIENCE_SECONDS: Final = 120.0
"""Longest time without anything new; a worker that is started on a busy machine takes its time."""
SMALL: Final = 150
BUDGET_SECONDS_MIN: Final = 16.0
ORDERS_PER_BUDGET_SECOND: Final = 50
"""A large run takes longer, and its queries are to have a chance after it too."""
ORDERS_PER_CARD: Final = 5
ORDERS_PER_KILL: Final = 150


@pytest.fixture
def orders(request: pytest.FixtureRequest) -> int:
    """How many orders are sent: the small run, or what `--orders` asks for."""
    return request.config.getoption("orders", None) or SMALL


@pytest.fixture(params=["sqlite", "postgresql"])
def run(
    request: pytest.FixtureRequest, kafka: SandboxKafka, orders: int, tmp_path: Path
) -> Iterator[Run]:
    """Either ledger, and a PayWizard that loses answers."""
    settings = SETTINGS | {"STATUS_CHECK_BUDGET_SECONDS": f"{budget_seconds(orders):.0f}"}
    if request.param == "postgresql":
        server: SandboxPostgres = request.getfixturevalue("postgres")
        settings["LEDGER_URL"] = server.create_database(f"doubt_{tmp_path.name}")
    with started(
        kafka.bootstrap_servers,
        tmp_path,
        world_of_cards(active=min(200, orders // ORDERS_PER_CARD)),
        plan=doubtful_plan(SEED),
        partitions=PARTITIONS,
        settings=settings,
    ) as run:
        yield run


@dataclass(kw_only=True)
class Day:
    """What happens beside the worker: a supervisor at both slots, a subscriber, an operator."""

    run: Run
    upstream: Upstream
    slots: list[Slot]
    parked_after_seconds: float
    latest: dict[str, dict[str, Any]] = field(default_factory=dict)
    open_since: dict[str, float] = field(default_factory=dict)
    resolved: set[str] = field(default_factory=set)
    _read: int = 0

    def send_and_kill(self, orders: int) -> None:
        """Send all orders in portions; in the midst of each, when some results are out, a worker dies."""
        for _ in range(kills_of(orders)):
            self.upstream.send(orders // kills_of(orders))
            self._wait_for_more(self.upstream.chance.randint(5, 25))
            self.upstream.chance.choice(self.slots).kill()
        self.upstream.send(orders - self._sent)
        self._wait(lambda: not self.run.follower.incomplete(), "all records are complete")

    def settle(self) -> None:
        """Wait until each order has its final result; the operator ends what has been open too long."""
        self._wait(self._is_settled, "all doubt is settled")
        self._wait(lambda: not self.run.follower.incomplete(), "all refreshes are complete")

    @property
    def exit_codes(self) -> list[int]:
        """How the workers have ended so far."""
        return [code for slot in self.slots for code in slot.exit_codes]

    @property
    def _sent(self) -> int:
        return len(self.upstream.sent)

    def _is_settled(self) -> bool:
        now = time.monotonic()
        patience = self.parked_after_seconds
        overdue = {order for order, at in self.open_since.items() if now - at > patience}
        if fresh := sorted(overdue - self.resolved):
            booked = self.run.book()["orders"]
            client_id = self.run.world.clients[0].client_id
            truths = {order: truth_of(booked.get(order)) for order in fresh}
            self.run.sender.send(*(resolution(client_id, *each) for each in truths.items()))
            self.resolved |= overdue
        return len(self.latest) == self._sent and not self.open_since

    def _wait_for_more(self, results: int) -> None:
        enough = min(len(self.latest) + results, self._sent)
        self._wait(lambda: len(self.latest) >= enough, "more results are out")

    def _wait(self, condition: Callable[[], bool], what: str) -> None:
        """Wait until it holds, as long as there is something new."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not condition():
            for slot in self.slots:
                slot.look_after()
            assert set(self.exit_codes) <= {KILLED}, "a worker has ended by itself"
            self.run.read()
            if self._note_results():
                deadline = time.monotonic() + PATIENCE_SECONDS
            if time.monotonic() > deadline:
                last = self.run.workers[-1].error(f"was waited for in vain: {what}")
                raise AssertionError(
                    f"{last}\nOpen: {sorted(self.open_since)}\n{self.run.follower.incomplete()}"
                )
        self._note_results()

    def _note_results(self) -> bool:
        """Take in what came; say whether that was anything."""
        fresh, self._read = self.run.seen[self._read :], len(self.run.seen)
        for each in fresh:
            if each.topic != RESULTS:
                continue
            fields = each.fields
            order = fields["tranOrderNo"]
            self.latest[order] = fields
            if fields["status"] in OPEN:
                self.open_since[order] = time.monotonic()
            else:
                self.open_since.pop(order, None)
        return bool(fresh)


def settled_verdict(run: Run) -> Verdict:
    """Return what the independent checker says of a run in which no doubt may be left."""
    book = fetch_book(run.simulator.book_url)
    kafka, prefix = (
        run.settings[name] for name in ("KAFKA_BOOTSTRAP_SERVERS", "KAFKA_TOPIC_PREFIX")
    )
    default = run.world.clients[0].client_id
    history = read_history(kafka, prefix, book, default, Schemas())
    return check(history, all_settled=True)


def budget_seconds(orders: int) -> float:
    """Return how long PayWizard is asked about an order before it is an operator's."""
    return max(BUDGET_SECONDS_MIN, orders / ORDERS_PER_BUDGET_SECOND)


def kills_of(orders: int) -> int:
    """Return how often a worker is killed while so many orders are sent."""
    return max(3, orders // ORDERS_PER_KILL)


def orders_that_met(book: dict[str, Any], prefix: str) -> set[str]:
    """Return the orders whose request, not a query about them, met a fault of that name."""
    return {
        met["tranOrderNo"]
        for met in book["met"]
        if met["rule"].startswith(prefix) and met["operation"] in MOVING
    }


@pytest.mark.timeout(1200)  # the large run; the waits inside have a patience of their own
def test_every_doubt_ends_in_one_true_result(run: Run, orders: int) -> None:
    """Each order ends in exactly one final result, which is PayWizard's truth; balances add up."""
    chance = random.Random(SEED)
    slots = [Slot(run, "left"), Slot(run, "right")]
    day = Day(
        run=run,
        upstream=Upstream(run=run, chance=chance),
        slots=slots,
        parked_after_seconds=1.5 * budget_seconds(orders) + LAST_LOOK_SECONDS,
    )
    began = time.monotonic()
    day.send_and_kill(orders)
    calm_at, left_open = time.monotonic(), len(day.open_since)
    run.simulator.follow(CALM)
    day.settle()

    verdict, book = settled_verdict(run), run.book()
    lost, pending = orders_that_met(book, LOST), orders_that_met(book, PENDING)
    first = [each.fields for each in run.published(RESULTS)]
    doubtful = {each["tranOrderNo"] for each in first if each["status"] in OPEN}
    settled_by = Counter(day.latest[order]["decidedBy"] for order in doubtful)
    parked = {
        line["tran_order_no"]
        for worker in run.workers
        for line in worker.lines()
        if line["event"] == "order.parked"
    }
    print(f"\n{verdict.counts}")  # noqa: T201 shown with -s
    print(  # noqa: T201
        f"{len(lost)} lost answers or requests, {len(pending)} pending, exit codes {day.exit_codes}; of "
        f"{len(doubtful)} published as open {dict(settled_by)}, {len(parked)} parked, "
        f"{len(day.resolved)} resolutions, {left_open} open at calm; {calm_at - began:.0f} s to calm, then "
        f"{time.monotonic() - calm_at:.0f} s"
    )
    assert verdict.findings == ()
    assert day.latest.keys() == set(day.upstream.sent)
    assert {fields["status"] for fields in day.latest.values()} == FINAL
    assert len(lost) >= 0.15 * orders
    assert len(pending) >= 0.10 * orders
    assert settled_by["STATUS_QUERY"] > 0
    assert settled_by["OPERATOR"] > 0
    assert parked, "nothing was left to an operator"
    assert day.exit_codes == [KILLED] * kills_of(orders)
    assert verdict.counts["dead letters"] == 0
