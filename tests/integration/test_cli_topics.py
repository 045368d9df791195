"""The tools against a real Kafka: topics, sending commands, reading outcomes, and `check`."""

import json
import os
import socket
import subprocess
import sys
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from kafka import KafkaProducer

from tests.unit.cli.command_line import Ended, runner
from worker.adapters.avro.frames import decode_frame, encode_frame
from worker.adapters.avro.json_form import from_json
from worker.adapters.avro.packaged_schemas import schema_folder
from worker.adapters.kafka.admin import describe_topics
from worker.adapters.kafka.connection import KafkaConnection, connection_options
from worker.adapters.kafka.tools import Outgoing, Seen, send_records, tail

if TYPE_CHECKING:
    from ops.sandbox.kafka import SandboxKafka

pytestmark = pytest.mark.integration

ALL_TOPICS = {
    "commands.payment",
    "commands.reload",
    "commands.points",
    "commands.void",
    "commands.card",
    "commands.resolution",
    "outcomes.results",
    "outcomes.balance-changes",
    "dead-letters",
    "internal.balance-refresh",
    "internal.status-checks",
}
DAY_MS = 86_400_000
CREATE = ("topics", "create", "--replication-factor", "1", "--partitions", "2")
WORKER = {
    "KAFKA_GROUP_ID": "g",
    "PAYWIZARD_CLIENT_ID": "1",
    "PAYWIZARD_CLIENT_SECRET": "planted-secret",
    "PAYWIZARD_JWT_TOKEN": "planted-token",
    "PAYWIZARD_LOYALTY_CHANNEL": "FACTOR4",
}


@pytest.fixture
def connection(kafka: "SandboxKafka") -> KafkaConnection:
    return KafkaConnection(bootstrap_servers=tuple(kafka.bootstrap_servers.split(",")))


@pytest.fixture
def prefix(kafka: "SandboxKafka", monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the prefix of topics that are this test's alone; the environment names it."""
    for name in list(os.environ):
        if name.startswith(("PAYWIZARD_", "KAFKA_", "LEDGER_")):
            monkeypatch.delenv(name)
    prefix = f"cli-{uuid.uuid4().hex[:8]}."
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", kafka.bootstrap_servers)
    monkeypatch.setenv("KAFKA_TOPIC_PREFIX", prefix)
    monkeypatch.setenv("COLUMNS", "200")
    return prefix


@pytest.fixture
def run(prefix: str, capsys: pytest.CaptureFixture[str]) -> Callable[..., Ended]:
    return runner(capsys)


def example(record: str, **changes: Any) -> dict[str, Any]:
    """Return a worked example in its JSON form, some fields changed."""
    path = schema_folder() / "examples" / f"{record}.json"
    document: dict[str, Any] = json.loads(path.read_text())
    return document | changes


def encoded(document: dict[str, Any]) -> bytes:
    """Return a document as it lies on a topic."""
    record = from_json(document)
    return encode_frame(record.name, record.fields)


def present(connection: KafkaConnection, topic: str) -> list[Seen]:
    """Return what lies on a topic now."""
    return list(tail(connection, topic, from_beginning=True, follow=False))


def test_topics_are_created_with_their_own_retention(
    run: Callable[..., Ended], prefix: str, connection: KafkaConnection
) -> None:
    """All topics of the design are there, each kept as long as users were told."""
    ended = run(*CREATE, "--dead-letter-partitions", "1")
    assert ended.code == 0
    assert ended.out.count("created") == len(ALL_TOPICS)
    found = describe_topics(connection, [prefix + name for name in [*ALL_TOPICS, "none"]])
    assert set(found) == {prefix + name for name in ALL_TOPICS}
    for name, days in {
        "commands.payment": 14,
        "commands.resolution": 14,
        "outcomes.results": 30,
        "dead-letters": 90,
        "internal.balance-refresh": 7,
    }.items():
        configs = found[prefix + name].configs
        assert configs is not None
        assert configs["retention.ms"] == str(days * DAY_MS)
        assert configs["cleanup.policy"] == "delete"
        assert configs["message.timestamp.type"] == "LogAppendTime"
    changes = found[prefix + "outcomes.balance-changes"].configs
    assert changes is not None
    assert set(changes["cleanup.policy"].split(",")) == {"compact", "delete"}
    assert changes["min.compaction.lag.ms"] == str(7 * DAY_MS)
    assert found[prefix + "dead-letters"].partitions == 1
    assert found[prefix + "commands.card"].partitions == 2


def test_creating_topics_again_changes_nothing_and_names_what_differs(
    run: Callable[..., Ended], prefix: str, connection: KafkaConnection
) -> None:
    """It is safe to repeat; whoever wants other numbers learns that they differ."""
    run(*CREATE)
    before = describe_topics(connection, [prefix + name for name in ALL_TOPICS])
    ended = run("topics", "create", "--replication-factor", "1", "--partitions", "4")
    assert ended.code == 0
    assert "created" not in ended.out
    assert ended.out.count("partitions: 2 (planned 4)") == len(ALL_TOPICS) - 1
    assert describe_topics(connection, list(before)) == before


def test_more_copies_than_brokers_are_refused_in_a_sentence(run: Callable[..., Ended]) -> None:
    """Kafka's own reason reaches the person who typed it."""
    ended = run("topics", "create", "--replication-factor", "3")
    assert ended.code == 1
    assert ended.err.startswith("Kafka refused to create ")
    assert "replication factor" in ended.err


def test_a_payment_from_flags_lies_on_its_topic_keyed_by_card(
    run: Callable[..., Ended], prefix: str, connection: KafkaConnection
) -> None:
    """The card decides the partition, so that one card's commands keep their order (P6)."""
    run(*CREATE)
    card = ("--order", "A-1", "--account", "600000000000001")
    money = ("--amount", "10.50", "--currency", "USD")
    ended = run("send", "payment", *card, *money, "--expires-in", "60", "--nsf-allowed")
    (seen,) = present(connection, f"{prefix}commands.payment")
    place = f"partition {seen.partition}, offset {seen.offset}"
    assert (ended.code, ended.out) == (0, f"A-1: {prefix}commands.payment, {place}\n")
    assert seen.key == b"600000000000001"
    record = decode_frame(seen.value)
    assert record.name == "paywizard.commands.PaymentCommand"
    fields: dict[str, Any] = record.fields
    assert str(fields["amount"]) == "10.5000"
    assert (fields["currency"], fields["entryType"], fields["nsfAllowed"]) == ("USD", "K", True)
    lifetime = (fields["expiresAt"] - fields["requestedAt"]).total_seconds()
    assert 59 < lifetime < 61


def test_every_example_can_be_sent_and_finds_its_topic(
    run: Callable[..., Ended], prefix: str, connection: KafkaConnection, tmp_path: Path
) -> None:
    """A file of JSON lines is sent whole, each command to the topic of its kind."""
    run(*CREATE)
    names = ("Payment", "Tip", "Reload", "IssuePoints", "RedeemPoints", "Void", "Activate")
    documents = [example(f"{name}Command") for name in (*names, "Inquiry")]
    file = tmp_path / "commands.jsonl"
    file.write_text("\n".join(map(json.dumps, documents)))
    ended = run("send", "file", str(file))
    assert (ended.code, ended.out.count("offset")) == (0, 8)
    counts = {
        name: len(present(connection, prefix + name))
        for name in ALL_TOPICS
        if name.startswith("commands.")
    }
    assert counts == {
        "commands.payment": 2,
        "commands.reload": 1,
        "commands.points": 2,
        "commands.void": 1,
        "commands.card": 2,
        "commands.resolution": 0,
    }


def test_one_topic_for_all_commands_is_found_without_asking(
    run: Callable[..., Ended],
    prefix: str,
    connection: KafkaConnection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """KAFKA_COMMAND_TOPICS decides where commands go."""
    monkeypatch.setenv("KAFKA_COMMAND_TOPICS", "commands.all")
    run(*CREATE)
    assert run("send", "void", "--order", "A-2", "--original-order", "A-1").code == 0
    (seen,) = present(connection, f"{prefix}commands.all")
    assert seen.key == b"A-2"


def test_a_missing_topic_is_one_sentence(run: Callable[..., Ended], prefix: str) -> None:
    """Nothing is created by accident, and the sentence says what to do."""
    sent = run("send", "inquiry", "--order", "A-1", "--account", "600000000000001")
    read = run("results", "--no-follow")
    for ended, topic in ((sent, "commands.card"), (read, "outcomes.results")):
        assert ended.code == 1
        assert ended.err.startswith(f"There is no topic {prefix}{topic}: run `paywizard-worker")


def publish(
    connection: KafkaConnection, topic: str, values: Sequence[bytes], *, commit: bool = True
) -> None:
    """Write values in one Kafka transaction, and commit or abort it."""
    options = connection_options(connection, "test") | {"transactional_id": uuid.uuid4().hex}
    producer = KafkaProducer(**options)
    try:
        producer.init_transactions()
        producer.begin_transaction()
        for value in values:
            producer.send(topic, key=b"k", value=value, partition=0).get(timeout=30)
        if commit:
            producer.commit_transaction()
        else:
            producer.abort_transaction()
    finally:
        producer.close()


@pytest.fixture
def three_results(run: Callable[..., Ended], prefix: str, connection: KafkaConnection) -> None:
    """Two committed results with garbage between them, and one of an aborted transaction."""
    run(*CREATE)
    topic = f"{prefix}outcomes.results"
    first, second, aborted = (
        encoded(example("TransactionResult", tranOrderNo=order)) for order in ("A", "B", "C")
    )
    publish(connection, topic, [first, b"garbage", second])
    publish(connection, topic, [aborted], commit=False)


@pytest.mark.usefixtures("three_results")
def test_results_shows_what_was_committed(run: Callable[..., Ended]) -> None:
    """Aborted results never show, unreadable ones are named and passed over, cards are masked."""
    ended = run("results", "--no-follow")
    assert ended.code == 0
    assert [line.split()[2] for line in ended.out.splitlines()] == ["order", "A", "B"]
    assert "600000000000001" not in ended.out
    assert "offset 1 is not readable here (BAD_FRAME)" in ended.err


@pytest.mark.usefixtures("three_results")
def test_results_as_json_are_whole_records(run: Callable[..., Ended]) -> None:
    """Programs get one object a line, in the form of the examples, with the card in full."""
    ended = run("results", "--no-follow", "--json", "--order", "B")
    assert json.loads(ended.out) == example("TransactionResult", tranOrderNo="B")


@pytest.mark.usefixtures("three_results")
def test_results_end_after_a_limit(run: Callable[..., Ended]) -> None:
    """Also while following: a script can wait for just one."""
    ended = run("results", "--from-beginning", "--limit", "1", "--json")
    assert json.loads(ended.out)["tranOrderNo"] == "A"


@pytest.mark.usefixtures("three_results")
def test_an_order_without_a_result_ends_with_1(run: Callable[..., Ended]) -> None:
    """Not found is told by the exit code; from now on there is nothing either."""
    ended = run("results", "--no-follow", "--order", "C")
    assert (ended.code, ended.out) == (1, "")
    assert "order C" in ended.err
    assert run("results", "--no-follow", "--from-now").out == ""


def test_following_waits_for_what_comes(
    run: Callable[..., Ended], prefix: str, connection: KafkaConnection
) -> None:
    """`balances` shows an event that is published after it has read all there was."""
    run(*CREATE)
    topic = f"{prefix}outcomes.balance-changes"
    publish(connection, topic, [encoded(example("BalanceChanged"))])
    words = ["balances", "--from-beginning", "--limit", "2"]
    with subprocess.Popen(  # noqa: S603 - our own words
        [sys.executable, "-m", "worker", *words], stdout=subprocess.PIPE, text=True
    ) as follower:
        try:
            assert follower.stdout is not None
            titles, first = follower.stdout.readline(), follower.stdout.readline()
            publish(connection, topic, [encoded(example("BalanceChanged", sequence=3))])
            second, _ = follower.communicate(timeout=60)
        finally:
            follower.kill()
    assert follower.returncode == 0
    assert [line.split()[2:4] for line in (titles, first, second)] == [
        ["card", "number"],
        ["****0001", "2"],
        ["****0001", "3"],
    ]
    assert "USD 1523.60 (was 1534.10)" in second


def test_many_records_keep_their_order(
    run: Callable[..., Ended], prefix: str, connection: KafkaConnection
) -> None:
    """More records than are in flight at once are all placed, in order within a partition."""
    run(*CREATE)
    topic = f"{prefix}commands.card"
    values = [str(number).encode() for number in range(1201)]
    sent = list(
        send_records(
            connection, (Outgoing(topic=topic, key=b"k", value=value) for value in values)
        )
    )
    assert [place.offset for place in sent] == list(range(1201))
    assert [seen.value for seen in present(connection, topic)] == values


@pytest.fixture
def worker_settings(prefix: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, value in WORKER.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("LEDGER_URL", f"sqlite:///{tmp_path / 'ledger.db'}")


@pytest.mark.usefixtures("worker_settings")
def test_check_is_clean_where_a_worker_can_start(
    run: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Topics, ledger and PayWizard are there; fewer copies than planned are a warning only."""
    run(*CREATE)
    assert run("ledger", "upgrade").code == 0
    with socket.create_server(("127.0.0.1", 0)) as paywizard:
        port = paywizard.getsockname()[1]
        monkeypatch.setenv("PAYWIZARD_BASE_URL", f"http://127.0.0.1:{port}")
        ended = run("check", "--json")
    document = json.loads(ended.out)
    verdicts = {found["check"]: found["verdict"] for found in document["checks"]}
    assert (ended.code, document["exit_code"]) == (0, 0)
    assert verdicts == {
        "settings": "ok",
        "schemas": "ok",
        "kafka": "ok",
        "topic": "warning",
        "ledger": "ok",
        "paywizard": "ok",
    }


@pytest.mark.usefixtures("worker_settings")
def test_check_names_everything_that_is_missing(
    run: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No topic, no ledger, no PayWizard: all are named, and the ledger's code comes first."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    monkeypatch.setenv("PAYWIZARD_BASE_URL", f"https://127.0.0.1:{port}")
    ended = run("check")
    assert ended.code == 78
    assert ended.out.count("does not exist: run `paywizard-worker topics create`") == 11
    assert "run `paywizard-worker ledger upgrade`" in ended.out
    assert f"127.0.0.1:{port}" in ended.out
    assert "planted" not in ended.out
