"""A real worker whose SQLite ledger cannot grow: its commands wait, and nothing is lost."""

from pathlib import Path

import pytest

from ops.sandbox.kafka import SandboxKafka
from tests.e2e.runs import started, world_of_cards

pytestmark = [pytest.mark.integration, pytest.mark.e2e, pytest.mark.timeout(300)]

NOTHING_MAY_GROW = 1
LATENCY_SECONDS = 2.0
END_SECONDS_MAX = 30.0
SAID_SECONDS_MAX = 30.0


@pytest.mark.parametrize("moment", ["before a command", "while PayWizard works"])
def test_a_worker_with_a_full_disk_waits_and_loses_nothing(
    moment: str, kafka: SandboxKafka, tmp_path: Path
) -> None:
    """It is not ready and goes on living; with room again, every order is executed once and told."""
    latency = (LATENCY_SECONDS, LATENCY_SECONDS)
    world = world_of_cards(active=3)
    with started(kafka.bootstrap_servers, tmp_path, world, latency_seconds=latency) as run:
        worker = run.start_worker()
        if moment == "before a command":
            worker.limit_file_size(NOTHING_MAY_GROW)
        run.sender.send(*(run.payment(f"o-{n}", card) for n, card in enumerate(world.cards)))
        if moment == "while PayWizard works":
            run.wait_until(lambda: len(run.book()["orders"]) == 3, "all orders are under way")
            worker.limit_file_size(NOTHING_MAY_GROW)
        run.wait_until(lambda: worker.get("/readyz").is_error, "it is not ready")
        worker.said("ledger.unavailable", SAID_SECONDS_MAX)
        assert run.results() == {}
        assert sum(run.follower.incomplete().values()) >= 3
        worker.limit_file_size(None)
        worker.wait_until_ready()
        run.finish()
        assert {fields["status"] for fields in run.results().values()} == {"SUCCEEDED"}
        assert len(run.results()) == 3
        assert run.verdict().findings == ()
        assert worker.stop(END_SECONDS_MAX) == 0
