"""Two workers that were given one name: only the newer one goes on (P12). Two of two names: `test_proof.py`."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from ops.sandbox.following import RESULTS
from ops.sandbox.kafka import SandboxKafka
from ops.sandbox.sending import Sending
from tests.e2e.runs import Run, started, world_of_cards

SETTINGS: Final = {
    "KAFKA_SESSION_TIMEOUT_SECONDS": "6",
    "PAYWIZARD_READ_TIMEOUT_SECONDS": "2",
    "PAYWIZARD_CALL_DEADLINE_SECONDS": "3",
    "SEND_DEADLINE_SECONDS": "2",
    "LEASE_SECONDS": "6",
}
END_SECONDS_MAX: Final = 30.0


@pytest.fixture
def run(kafka: SandboxKafka, tmp_path: Path) -> Iterator[Run]:
    """A slow PayWizard, few cards, SQLite."""
    with started(
        kafka.bootstrap_servers,
        tmp_path,
        world_of_cards(active=10),
        latency_seconds=(0.2, 1.0),
        settings=SETTINGS,
    ) as run:
        yield run


def payments(run: Run, name: str) -> list[Sending]:
    """Write one payment for each card."""
    return [run.payment(f"{name}-{n}", card) for n, card in enumerate(run.world.cards)]


def test_of_two_workers_of_one_instance_the_older_leaves(run: Run) -> None:
    """It ends with 71 and says why; nothing of it is committed beside what the newer one commits."""
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
