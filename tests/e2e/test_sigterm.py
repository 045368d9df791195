"""SIGTERM drains: what is open is finished and committed, nothing new is begun (P12)."""

import signal
from collections.abc import Iterator

import pytest

from ops.sandbox.following import BALANCE_REFRESH
from ops.sandbox.kafka import SandboxKafka
from tests.e2e.runs import Run, started, world_of_cards

CARDS = 10
LATENCY_SECONDS = (1.5, 1.5)
DRAIN_TIMEOUT_SECONDS = 10


@pytest.fixture
def run(kafka: SandboxKafka, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """A PayWizard whose answers take their time."""
    with started(
        kafka.bootstrap_servers,
        tmp_path_factory.mktemp("sigterm"),
        world_of_cards(active=CARDS),
        latency_seconds=LATENCY_SECONDS,
        settings={"DRAIN_TIMEOUT_SECONDS": str(DRAIN_TIMEOUT_SECONDS)},
    ) as run:
        yield run


def test_open_calls_are_finished_and_committed(run: Run) -> None:
    """It ends with 0 in time; every open call has its result, and its offset is committed."""
    worker = run.start_worker()
    orders = [run.payment(f"{n}", card) for n, card in enumerate(run.world.cards)]
    run.sender.send(*orders)
    run.wait_until(lambda: len(run.book()["orders"]) == CARDS, "all calls are open")
    assert run.results() == {}, "no call was open: the drain proves nothing"

    worker.tell(signal.SIGTERM)
    run.wait_until(lambda: not worker.get("/readyz").is_success, "it is not ready any more")
    assert worker.get("/livez").is_success
    assert worker.end(DRAIN_TIMEOUT_SECONDS) == 0

    assert run.follower.incomplete().keys() <= {BALANCE_REFRESH}
    run.read()
    results = run.results()
    assert results.keys() == {sending.order for sending in orders}
    assert {result["status"] for result in results.values()} == {"SUCCEEDED"}


def test_what_was_not_begun_is_left_for_the_next_one(run: Run) -> None:
    """Turns of a card that were still to come, and refreshes, are taken up after the restart."""
    worker = run.start_worker()
    card = run.world.cards[0]
    orders = [run.payment(f"{n}", card) for n in range(2)]
    run.sender.send(*orders)
    run.wait_until(lambda: "0" in run.book()["orders"], "the first call is open")

    assert worker.stop(DRAIN_TIMEOUT_SECONDS) == 0
    assert run.book()["orders"].keys() == {"0"}
    run.follower.incomplete()
    run.read()
    assert run.results().keys() == {"0"}

    run.start_worker()
    run.finish()
    assert run.results().keys() == {"0", "1"}
    assert run.balance_changes(card)[-1]["balances"][0]["amount"] == 98
    assert run.verdict().findings == ()
