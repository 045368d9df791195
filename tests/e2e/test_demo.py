"""The demo as one runs it: `python -m ops.sandbox.demo`, here on a Kafka that is given."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psutil
import pytest
from kafka import KafkaAdminClient

from ops.sandbox.kafka import SandboxKafka
from tests.processes import has_ended, wait_until

pytestmark = pytest.mark.timeout(300)
SECONDS_MAX = 180


@contextmanager
def demo(
    kafka: SandboxKafka, tmp_path: Path, *arguments: str
) -> Iterator[subprocess.Popen[bytes]]:
    """Run the demo, with its output in `out` and its folders in `tmp_path`; killed if it still runs."""
    environment = os.environ | {
        "KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
        "TMPDIR": str(tmp_path),
    }
    with (tmp_path / "out").open("wb") as out:
        process = subprocess.Popen(  # noqa: S603 our own words
            [sys.executable, "-m", "ops.sandbox.demo", *arguments],
            env=environment,
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def said(tmp_path: Path) -> str:
    """Return what the demo has printed so far."""
    return (tmp_path / "out").read_text(encoding="utf-8")


def children(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """Return all that the demo has started."""
    return psutil.Process(process.pid).children(recursive=True)


def folders(tmp_path: Path) -> list[Path]:
    """Return the folders that the demo has left."""
    return list(tmp_path.glob("paywizard-demo-*"))


def topics(kafka: SandboxKafka) -> list[str]:
    """Return the topics that demos have left in a Kafka of others."""
    with closing(KafkaAdminClient(bootstrap_servers=kafka.bootstrap_servers)) as admin:
        return [name for name in admin.list_topics() if name.startswith("paywizard-demo-")]


def works_after_the_power_cut(tmp_path: Path) -> bool:
    """Whether the worker that the demo started again has completed records."""
    starts = [
        log.read_text(encoding="utf-8").split('"event": "worker.starting"')
        for log in tmp_path.glob("paywizard-demo-*/worker.log")
    ]
    return any(len(parts) == 3 and '"command.completed"' in parts[2] for parts in starts)


def test_it_ends_with_a_verdict_and_leaves_nothing(kafka: SandboxKafka, tmp_path: Path) -> None:
    """Exit code 0, the verdict and the figures; no folder, and no topic in a Kafka of others.

    The worker was killed once, and all doubt is settled, some of it by an operator.
    """
    with demo(kafka, tmp_path) as process:
        assert process.wait(SECONDS_MAX) == 0, said(tmp_path)
    text = said(tmp_path)
    assert "The promises hold" in text
    assert "and 0 still open" in " ".join(text.split())
    assert text.count("The worker was killed with SIGKILL") == 1
    assert "paywizard-worker resolve DEMO-UNANSWERED --outcome SUCCEEDED" in text
    assert re.search(
        r"Doubt: open: none; settled: \d+ by a status query, \d+ by an operator", text
    )
    assert re.search(
        r"\d+ records in [\d.]+ s, \d+ a second; the worker's memory: \d+ MiB", text
    )
    assert folders(tmp_path) == []
    assert topics(kafka) == []


def test_a_worker_that_dies_fails_it(kafka: SandboxKafka, tmp_path: Path) -> None:
    """Exit code 1, with the worker's last lines and where its whole log is.

    Not in the demo's own power cut, and not before the worker has completed something.
    """
    with demo(kafka, tmp_path) as process:
        wait_until(lambda: works_after_the_power_cut(tmp_path), SECONDS_MAX)
        for child in children(process):
            if child.cmdline()[-1] == "run" and "supervise.py" not in " ".join(child.cmdline()):
                child.kill()
        assert process.wait(SECONDS_MAX) == 1, said(tmp_path)
    (folder,) = folders(tmp_path)
    text = said(tmp_path)
    assert "The worker ended with 247" in text
    assert '"event": "command.completed"' in text
    assert str(folder / "worker.log") in text.replace("\n", "")
    assert topics(kafka) == []


def test_kept_it_runs_until_ctrl_c_and_stops_all_it_started(
    kafka: SandboxKafka, tmp_path: Path
) -> None:
    """With `--keep` it says what can be tried, and Ctrl-C ends worker and simulator with it."""
    with demo(kafka, tmp_path, "--keep") as process:
        wait_until(lambda: "To try in another terminal" in said(tmp_path), SECONDS_MAX)
        started = children(process)
        assert len(started) >= 4, "worker and simulator, each with its supervisor"
        process.send_signal(signal.SIGINT)
        assert process.wait(SECONDS_MAX) == 0
    wait_until(lambda: all(map(has_ended, started)))
    assert folders(tmp_path) == []


def test_ctrl_c_in_the_middle_stops_all_it_started(kafka: SandboxKafka, tmp_path: Path) -> None:
    """Exit code 130, and nothing stays behind."""
    with demo(kafka, tmp_path) as process:
        wait_until(lambda: "The PayWizard simulator listens" in said(tmp_path), SECONDS_MAX)
        started = children(process)
        process.send_signal(signal.SIGINT)
        assert process.wait(SECONDS_MAX) == 130
    wait_until(lambda: all(map(has_ended, started)))
    assert folders(tmp_path) == []
