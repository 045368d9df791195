"""What is served as metrics passes Prometheus' own linter."""

import shutil
import subprocess
import time
from datetime import UTC, datetime

import httpx
import pytest

from tests.unit.observability.stopwatch import metrics_on
from worker.observability.health import Health
from worker.observability.instruments import new_registry
from worker.observability.server import serve
from worker.observability.watchdog import Heartbeats

pytestmark = pytest.mark.integration


def test_promtool_finds_no_fault_in_the_metrics() -> None:
    """`/metrics` piped into `promtool check metrics` exits 0 and says nothing."""
    promtool = shutil.which("promtool")
    assert promtool is not None, "promtool is missing: apt-get install prometheus"
    registry = new_registry()
    metrics = metrics_on(registry)
    heartbeats = Heartbeats(
        {"work": 90},
        monotonic=time.monotonic,
        now=lambda: datetime.now(UTC),
        metrics=metrics,
    )
    health = Health(
        heartbeats, monotonic=time.monotonic, metrics=metrics, session_timeout_seconds=30
    )
    server = serve("127.0.0.1", 0, health, registry)
    try:
        page = httpx.get(f"http://127.0.0.1:{server.port}/metrics", trust_env=False).content
    finally:
        server.close()
    checked = subprocess.run(  # noqa: S603 our own words
        [promtool, "check", "metrics"], input=page, capture_output=True, check=False
    )
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, b"")
