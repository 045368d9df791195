"""What supervisors and Prometheus see of a running worker."""

import shutil
import subprocess
from collections.abc import Iterator

import pytest

from ops.sandbox.kafka import SandboxKafka
from ops.sandbox.worker_process import WorkerProcess
from tests.e2e.runs import started, world_of_cards


@pytest.fixture(scope="module")
def worker(
    kafka: SandboxKafka, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[WorkerProcess]:
    """A worker that has handled a payment, so that its metrics have something to show."""
    folder = tmp_path_factory.mktemp("health")
    with started(kafka.bootstrap_servers, folder, world_of_cards(active=1)) as run:
        worker = run.start_worker()
        run.sender.send(run.payment("one", run.world.cards[0]))
        run.finish()
        yield worker


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/startupz"])
def test_a_running_worker_is_well(worker: WorkerProcess, path: str) -> None:
    """Each health path answers 200, with every check by name."""
    answer = worker.get(path)
    assert (answer.status_code, answer.json()["status"]) == (200, "ok")
    assert {check["status"] for check in answer.json()["checks"].values()} == {"ok"}


@pytest.mark.parametrize("path", ["/", "/health", "/metrics/", "/livez/x", "/readyz%2f"])
def test_there_is_nothing_else(worker: WorkerProcess, path: str) -> None:
    """Any other path is not found."""
    assert worker.get(path).status_code == 404


def test_promtool_finds_no_fault_in_the_live_metrics(worker: WorkerProcess) -> None:
    """`/metrics` of a worker that has worked passes Prometheus' own linter without a word."""
    promtool = shutil.which("promtool")
    assert promtool is not None, "promtool is missing: apt-get install prometheus"
    page = worker.get("/metrics").content
    assert b'commands_total{operation="payment",status="SUCCEEDED"} 1.0' in page
    checked = subprocess.run(  # noqa: S603 our own words
        [promtool, "check", "metrics"], input=page, capture_output=True, check=False
    )
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, b"")
