"""A worker that cannot start says why in one sentence, with the exit code of that reason."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from ops.sandbox.kafka import SandboxKafka
from ops.sandbox.kafka.ports import free_ports
from ops.sandbox.worker_process import (
    WorkerProcess,
    create_topics,
    run_tool,
    worker_settings,
)
from tests.e2e.runs import world_of_cards

END_SECONDS = 60


def settings_for(folder: Path, kafka: str) -> dict[str, str]:
    """Settings of a worker in a folder of its own."""
    world = world_of_cards(active=1)
    nowhere = "http://127.0.0.1:9"
    return worker_settings(folder, world, kafka=kafka, name=folder.name, paywizard_url=nowhere)


def how_it_ended(settings: Mapping[str, str], folder: Path) -> tuple[int, str]:
    """Start a worker that ends by itself; return its exit code and the sentence it left."""
    worker = WorkerProcess(settings, folder / "worker.log")
    try:
        code = worker.end(END_SECONDS)
        (failed,) = [line for line in worker.lines() if line["event"] == "worker.failed"]
    finally:
        worker.close()
    assert failed["exit_code"] == code
    assert "exception" not in failed
    return code, str(failed["why"])


def test_missing_topics_are_named(kafka: SandboxKafka, tmp_path: Path) -> None:
    """Exit code 75: a dependency is missing, and the command that makes it is said."""
    code, why = how_it_ended(settings_for(tmp_path, kafka.bootstrap_servers), tmp_path)
    assert code == 75
    assert "commands.payment" in why
    assert "topics create" in why


def test_a_ledger_without_tables_is_refused(kafka: SandboxKafka, tmp_path: Path) -> None:
    """Exit code 78: no restart will help, only `ledger upgrade`."""
    settings = settings_for(tmp_path, kafka.bootstrap_servers)
    create_topics(settings, 1)
    Path(settings["LEDGER_URL"].removeprefix("sqlite:///")).touch()
    code, why = how_it_ended(settings, tmp_path)
    assert code == 78
    assert "ledger upgrade" in why


@pytest.mark.timeout(120)
def test_an_absent_kafka_is_a_missing_dependency(tmp_path: Path) -> None:
    """Exit code 75: the brokers are named, and nothing else is done."""
    settings = settings_for(tmp_path, f"127.0.0.1:{free_ports(1)[0]}")
    run_tool(settings, "ledger", "upgrade")
    code, why = how_it_ended(settings, tmp_path)
    assert code == 75
    assert settings["KAFKA_BOOTSTRAP_SERVERS"] in why
