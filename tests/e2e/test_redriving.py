"""An operator lets dead letters come again while a worker runs: each order is executed once (P1)."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest

from ops.sandbox.following import RESULTS
from ops.sandbox.kafka import SandboxKafka
from tests.e2e.runs import Run, started, world_of_cards
from tests.unit.cli.command_line import Ended, runner
from worker.adapters.kafka.connection import KafkaConnection
from worker.adapters.kafka.tools import Outgoing, send_records
from worker.application.dead_letters import DeadLetters
from worker.application.ports import RecordKind, SourceRecord
from worker.domain.entry import Source
from worker.domain.outcomes import DeadLetterReason

REDRIVE = ("dead-letters", "redrive", "--yes", "--json", "--rate", "1000")


@pytest.fixture
def run(kafka: SandboxKafka, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """A worker's surroundings with one card."""
    with started(
        kafka.bootstrap_servers, tmp_path_factory.mktemp("redriving"), world_of_cards(active=1)
    ) as run:
        yield run


@pytest.fixture
def operator(
    run: Run, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Ended]:
    """Run the command line with the worker's settings."""
    for name, value in run.settings.items():
        monkeypatch.setenv(name, value)
    return runner(capsys)


def bury(run: Run, *orders: str) -> None:
    """Write dead letters of good payments, as a release that did not know their schema would."""
    letters = DeadLetters(group="g", version="0")
    prefix, now = run.settings["KAFKA_TOPIC_PREFIX"], datetime.now(UTC)
    records = []
    for offset, order in enumerate(orders):
        sending = run.payment(order, run.world.cards[0])
        record = SourceRecord(
            source=Source("topic-id", prefix + sending.topic, 0, 10**6 + offset),
            tenure=1,
            kind=RecordKind.COMMAND,
            key=b"key",
            value=sending.value,
            headers=(),
            timestamp=now,
        )
        (output,) = letters.letter(record, DeadLetterReason.UNKNOWN_SCHEMA, None, now).outputs
        assert output.value is not None
        topic = f"{prefix}dead-letters"
        records.append(
            Outgoing(topic=topic, key=output.key, value=output.value, headers=output.headers)
        )
    servers = tuple(run.settings["KAFKA_BOOTSTRAP_SERVERS"].split(","))
    assert list(send_records(KafkaConnection(bootstrap_servers=servers), records))


def test_a_redriven_command_is_executed_once_however_often_it_comes(
    run: Run, operator: Callable[..., Ended]
) -> None:
    """What was foreseen happens; who insists gets a duplicate, and no second effect."""
    run.start_worker()
    bury(run, "first", "second")
    foreseen = operator("dead-letters", "redrive", "--dry-run", "--json")
    assert [json.loads(line)["would"] for line in foreseen.out.splitlines()] == ["execute"] * 2
    assert operator(*REDRIVE).code == 0
    assert operator(*REDRIVE).code == 0
    run.wait_until(lambda: len(run.published(RESULTS)) >= 2, "both have a result")
    told = operator("dead-letters", "redrive", "--again", "--dry-run", "--json").out
    assert [json.loads(line)["would"] for line in told.splitlines()] == ["duplicate"] * 2
    run.finish()
    assert {order: each["status"] for order, each in run.results().items()} == {
        "first": "SUCCEEDED",
        "second": "SUCCEEDED",
    }
    booked = run.book()["orders"]
    assert {order: each["effects"] for order, each in booked.items()} == {
        "first": 1,
        "second": 1,
    }
