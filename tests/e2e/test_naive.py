"""The naive counterpart is a fair one: where nothing goes wrong it keeps every promise."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ops.proof.naive import COMMAND
from ops.sandbox.following import RESULTS
from ops.sandbox.kafka import SandboxKafka
from ops.sandbox.worker_process import WorkerProcess
from tests.e2e.runs import Run, started, world_of_cards

END_SECONDS_MAX = 30.0


@pytest.fixture
def run(kafka: SandboxKafka, tmp_path: Path) -> Iterator[Run]:
    """A PayWizard that takes its time, and four partitions."""
    world = world_of_cards(active=10)
    with started(
        kafka.bootstrap_servers, tmp_path, world, latency_seconds=(0.0, 0.3), partitions=4
    ) as run:
        yield run


def launch(run: Run, instance: str) -> WorkerProcess:
    """Start a naive worker and return once it is ready."""
    log_path = run.log_path.with_name(f"{instance}-{len(run.workers)}.log")
    worker = WorkerProcess(run.settings | {"INSTANCE_ID": instance}, log_path, COMMAND)
    run.workers.append(worker)
    worker.wait_until_ready()
    return worker


def send(run: Run, name: str, count: int) -> set[str | None]:
    """Send so many payments over all cards, each tenth again; return their order numbers."""
    cards = run.world.cards
    sendings = [run.payment(f"{name}-{n}", cards[n % len(cards)]) for n in range(count)]
    run.sender.send(*sendings, *sendings[::10])
    return {sending.order for sending in sendings}


# Three workers start one after the other; each wait has a limit of its own.
@pytest.mark.timeout(300)
def test_undisturbed_it_publishes_each_outcome_once(run: Run) -> None:
    """Two of them share the work; one drains, ends cleanly, and goes on after another start."""
    left = launch(run, "left")
    launch(run, "right")
    orders = send(run, "first", 60)
    run.wait_until(lambda: len(run.published(RESULTS)) > 10, "they are at work")
    assert left.stop(END_SECONDS_MAX) == 0
    orders |= send(run, "second", 30)
    launch(run, "left")
    orders |= send(run, "third", 30)
    run.finish()

    assert run.results().keys() == orders
    assert run.verdict().findings == ()
    assert [worker.running for worker in run.workers] == [False, True, True]
    lines = [line for worker in run.workers for line in worker.lines()]
    assigned = {line["logger"] for line in lines if line["event"] == "kafka.assigned"}
    assert assigned == {"worker.adapters.kafka.textbook"}, "it was the worker's own thread"
    assert "kafka.transaction_aborted" not in {line["event"] for line in lines}
