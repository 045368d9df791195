"""The programs in the README are run as they stand, in the place of an upstream system and of a subscriber."""

import json
import os
import re
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

import pytest
from kafka import KafkaAdminClient, KafkaProducer
from kafka.admin import NewTopic

from ops.sandbox.child_process import ROOT
from ops.sandbox.following import DEAD_LETTERS, RESULTS
from ops.sandbox.kafka import SandboxKafka
from tests.e2e.runs import Run, started, world_of_cards
from tests.processes import wait_until
from worker.adapters.avro.frames import encode_frame
from worker.adapters.avro.json_form import from_json

EXAMPLE: Final = ROOT / "schemas" / "examples" / "TransactionResult.json"
RECORD: Final = "paywizard.outcomes.TransactionResult"
PROGRAM_SECONDS_MAX: Final = 60.0
PAY, FOLLOW = re.findall(
    r"^```python\n(.*?)^```$", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL
)


def command(folder: Path, program: str, *arguments: str) -> Sequence[str]:
    """Save a program and return what runs it."""
    path = folder / f"{uuid.uuid4().hex}.py"
    path.write_text(program)
    return [sys.executable, str(path), *arguments]


def environment(kafka: str, prefix: str) -> dict[str, str]:
    """Return what a program is told: where Kafka is, and how the topics' names begin."""
    ours = {"KAFKA_BOOTSTRAP_SERVERS": kafka, "KAFKA_TOPIC_PREFIX": prefix}
    return dict(os.environ) | ours


def environment_for(run: Run) -> dict[str, str]:
    """Return what a program is told that works with this worker."""
    return environment(
        run.settings["KAFKA_BOOTSTRAP_SERVERS"], run.settings["KAFKA_TOPIC_PREFIX"]
    )


def pay(run: Run, folder: Path, *arguments: str) -> str:
    """Run the upstream system to its end and return what it said."""
    ended = subprocess.run(  # noqa: S603 our own words
        command(folder, PAY, *arguments),
        env=environment_for(run),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PROGRAM_SECONDS_MAX,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


class Following:
    """A running subscriber."""

    def __init__(self, said: Path) -> None:
        self._said = said

    @property
    def lines(self) -> list[str]:
        """What it has said so far."""
        return self._said.read_text().splitlines()

    def wait_for(self, line: str) -> None:
        """Return once it has said so."""
        wait_until(lambda: line in self.lines, PROGRAM_SECONDS_MAX)


@contextmanager
def following(folder: Path, environment: Mapping[str, str]) -> Iterator[Following]:
    """Run the subscriber, end it with Ctrl-C, and see that it ends well."""
    said = folder / f"{uuid.uuid4().hex}.txt"
    with said.open("w") as output:
        program = subprocess.Popen(  # noqa: S603 our own words
            command(folder, FOLLOW), env=environment, cwd=ROOT, stdout=output
        )
    try:
        yield Following(said)
        program.send_signal(signal.SIGINT)
        assert program.wait(PROGRAM_SECONDS_MAX) == 0
    finally:
        program.kill()
        program.wait()


@pytest.fixture(scope="module")
def run(kafka: SandboxKafka, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """A worker and a card with 100.00 USD."""
    folder = tmp_path_factory.mktemp("readme")
    with started(kafka.bootstrap_servers, folder, world_of_cards(active=1)) as run:
        run.start_worker()
        yield run


def test_the_programs_pay_and_read_the_result(run: Run, tmp_path: Path) -> None:
    """Who copies the two programs has a payment made, and hears of it."""
    (card,) = run.world.cards
    topic = f"{run.settings['KAFKA_TOPIC_PREFIX']}commands.payment"
    with following(tmp_path, environment_for(run)) as subscriber:
        said = pay(run, tmp_path, "A-1", card.account_id, "10.5", card.currency)
        assert said.startswith(f"A-1: {topic}, partition 0, offset ")
        run.finish()
        result = run.results()["A-1"]
        subscriber.wait_for(f"A-1 SUCCEEDED {result['checkoutId']}")
    assert (str(result["requestedAmount"]), result["currency"]) == ("10.5000", "USD")
    (seen,) = (each for each in run.published(RESULTS) if each.key == b"A-1")
    assert seen.header("correlation-id") == "A-1"
    (change,) = run.book()["orders"]["A-1"]["movements"]
    assert change["change"] == "-10.50"


def test_running_it_again_pays_nothing(run: Run, tmp_path: Path) -> None:
    """The same number with the same content is executed once, and has one result."""
    (card,) = run.world.cards
    for _ in range(3):
        pay(run, tmp_path, "A-2", card.account_id, "1.00", card.currency)
    run.finish()
    assert run.results()["A-2"]["status"] == "SUCCEEDED"
    assert run.book()["orders"]["A-2"]["effects"] == 1


def test_running_it_with_another_amount_is_a_conflict(run: Run, tmp_path: Path) -> None:
    """A reused number is not executed."""
    (card,) = run.world.cards
    pay(run, tmp_path, "A-3", card.account_id, "1.00", card.currency)
    pay(run, tmp_path, "A-3", card.account_id, "2.00", card.currency)
    run.finish()
    (letter,) = run.published(DEAD_LETTERS)
    assert letter.header("dlq.reason") == "CONFLICT"
    assert run.results()["A-3"]["requestedAmount"] == 1
    assert run.book()["orders"]["A-3"]["effects"] == 1


WAIT = "not decided yet: wait for its final result"


def result(order: str, event: str, status: str) -> bytes:
    """Write a result as the worker writes it."""
    document = json.loads(EXAMPLE.read_text()) | {
        "tranOrderNo": order,
        "eventId": event,
        "status": status,
        "reason": None,
        "checkoutId": "1795",
    }
    return encode_frame(RECORD, from_json(document).fields)


class Publisher:
    """Publishes results in Kafka transactions, in the worker's place."""

    def __init__(self, kafka: str, prefix: str) -> None:
        self._topic = f"{prefix}outcomes.results"
        self._producer = KafkaProducer(
            bootstrap_servers=kafka, transactional_id=f"{prefix}worker"
        )
        self._producer.init_transactions()

    def close(self) -> None:
        """End the producer."""
        self._producer.close()

    def abort(self, *results: bytes) -> None:
        """Write results that are never committed."""
        self._write(results)
        self._producer.abort_transaction()

    def commit(self, *results: bytes) -> None:
        """Write results and commit them."""
        self._write(results)
        self._producer.commit_transaction()

    def _write(self, results: Sequence[bytes]) -> None:
        self._producer.begin_transaction()
        for future in [self._producer.send(self._topic, value=value) for value in results]:
            future.get(timeout=PROGRAM_SECONDS_MAX)


@pytest.fixture
def prefix(kafka: SandboxKafka) -> str:
    """The prefix of a topic of results that nobody has written to."""
    prefix = f"readme-{uuid.uuid4().hex[:8]}."
    topic = NewTopic(f"{prefix}outcomes.results", num_partitions=1, replication_factor=1)
    with closing(KafkaAdminClient(bootstrap_servers=kafka.bootstrap_servers)) as admin:
        admin.create_topics([topic])
    return prefix


@pytest.fixture
def publisher(kafka: SandboxKafka, prefix: str) -> Iterator[Publisher]:
    """Who writes to that topic."""
    with closing(Publisher(kafka.bootstrap_servers, prefix)) as publisher:
        yield publisher


def test_the_subscriber_handles_each_event_once(
    kafka: SandboxKafka, prefix: str, publisher: Publisher, tmp_path: Path
) -> None:
    """What was not committed is not seen, what comes again does nothing, what is undecided waits."""
    events = {"EVENTS_DB": str(tmp_path / "events.db")}
    told = environment(kafka.bootstrap_servers, prefix) | events
    publisher.abort(result("B-0", "never", "SUCCEEDED"))
    doubt = result("B-1", "first", "IN_DOUBT")
    publisher.commit(doubt, doubt, result("B-1", "final", "SUCCEEDED"))
    publisher.commit(result("B-2", "other", "PENDING"))
    with following(tmp_path, told) as subscriber:
        subscriber.wait_for(f"B-2 PENDING {WAIT}")
    expected = [f"B-1 IN_DOUBT {WAIT}", "B-1 SUCCEEDED 1795", f"B-2 PENDING {WAIT}"]
    assert subscriber.lines == expected
    with closing(KafkaAdminClient(bootstrap_servers=kafka.bootstrap_servers)) as admin:
        admin.delete_groups([f"{prefix}my-service"])  # from the beginning once more
    publisher.commit(result("B-3", "new", "DECLINED"))
    with following(tmp_path, told) as subscriber:
        subscriber.wait_for("B-3 DECLINED 1795")
    assert subscriber.lines == ["B-3 DECLINED 1795"]


def test_the_subscriber_goes_on_where_it_was(
    kafka: SandboxKafka, prefix: str, publisher: Publisher, tmp_path: Path
) -> None:
    """What it has handled is committed: a next start reads on from there."""
    told = environment(kafka.bootstrap_servers, prefix)
    for order in ("B-1", "B-2"):
        publisher.commit(result(order, order, "SUCCEEDED"))
        with following(tmp_path, told) as subscriber:
            subscriber.wait_for(f"{order} SUCCEEDED 1795")
        assert subscriber.lines == [f"{order} SUCCEEDED 1795"]
