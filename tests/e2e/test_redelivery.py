"""A worker is killed while calls are open, and another one takes its work up (P1, P2, P3, P12)."""

import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing

import pytest

from ops.sandbox.following import RESULTS
from ops.sandbox.kafka import SandboxKafka
from tests.e2e.runs import Run, started, world_of_cards

CARDS = 20
PAYMENTS_PER_CARD = 3
# Answers take so long that many calls are open at any moment, and a lease is soon over.
LATENCY_SECONDS = (0.3, 1.5)
SETTINGS = {
    "PAYWIZARD_READ_TIMEOUT_SECONDS": "4",
    "PAYWIZARD_CALL_DEADLINE_SECONDS": "4",
    "SEND_DEADLINE_SECONDS": "1",
    "LEASE_SECONDS": "6",
    "KAFKA_SESSION_TIMEOUT_SECONDS": "6",
}
RESULTS_BEFORE_THE_KILL = 10


@pytest.fixture
def run(kafka: SandboxKafka, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """A slow PayWizard, and a worker with a short lease."""
    with started(
        kafka.bootstrap_servers,
        tmp_path_factory.mktemp("redelivery"),
        world_of_cards(active=CARDS),
        latency_seconds=LATENCY_SECONDS,
        partitions=2,
        settings=SETTINGS,
    ) as run:
        yield run


def orders_by_state(run: Run) -> dict[str, set[str]]:
    """Read from the ledger of a dead worker which order numbers are in which state."""
    path = run.settings["LEDGER_URL"].removeprefix("sqlite:///")
    with closing(sqlite3.connect(path)) as ledger:
        found: dict[str, set[str]] = {}
        for order, state in ledger.execute("SELECT tran_order_no, state FROM entries"):
            found.setdefault(state, set()).add(order)
        return found


def test_a_killed_worker_costs_time_and_doubt_but_no_money_and_no_record(run: Run) -> None:
    """No effect twice, one outcome per command, and only calls that were open are in doubt."""
    worker = run.start_worker()
    orders = [
        run.payment(f"{number}-{turn}", card)
        for turn in range(PAYMENTS_PER_CARD)
        for number, card in enumerate(run.world.cards)
    ]
    run.sender.send(*orders)
    run.wait_until(
        lambda: len(run.published(RESULTS)) >= RESULTS_BEFORE_THE_KILL, "some results are out"
    )
    worker.kill()
    at_the_kill = orders_by_state(run)
    assert at_the_kill["SUBMITTED"], "no call was open: the kill proved nothing"
    assert at_the_kill["SUCCEEDED"], "nothing was decided: the kill proved little"

    run.start_worker()
    run.finish()

    results = run.results()
    assert results.keys() == {sending.order for sending in orders}
    in_doubt = {order for order, result in results.items() if result["status"] == "IN_DOUBT"}
    assert in_doubt == at_the_kill["SUBMITTED"]
    assert {results[order]["reason"] for order in in_doubt} == {"LEASE_OVER"}
    assert Counter(result["status"] for result in results.values()) == {
        "IN_DOUBT": len(in_doubt),
        "SUCCEEDED": len(orders) - len(in_doubt),
    }
    booked = run.book()["orders"]
    assert {(each["requests"], each["effects"]) for each in booked.values()} == {(1, 1)}
    assert run.verdict().findings == ()


def test_doubt_shows_when_it_was_submitted(run: Run) -> None:
    """An IN_DOUBT result carries its evidence: the submission, at the time the ledger has (P4)."""
    worker = run.start_worker()
    run.sender.send(run.payment("doubtful", run.world.cards[0]))
    run.wait_until(lambda: "doubtful" in run.book()["orders"], "the request is at PayWizard")
    worker.kill()
    run.start_worker()
    run.finish()
    result = run.results()["doubtful"]
    assert (result["status"], result["reason"], result["decidedBy"]) == (
        "IN_DOUBT",
        "LEASE_OVER",
        "WORKER",
    )
    assert result["evidence"]["submissions"] == [{"at": result["submittedAt"]}]
    assert result["decidedAt"] is None
    assert run.book()["orders"]["doubtful"]["requests"] == 1
