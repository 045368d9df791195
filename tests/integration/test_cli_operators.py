"""The operator's commands against a real Kafka: resolving an order, and redriving dead letters."""

import json
import os
import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.contract.ledger_entries import an_entry, entry_in
from tests.integration.dead_letters import (
    ACCOUNT,
    EXPIRED,
    FAILED,
    LETTERS,
    WOULD,
    letter,
    payment,
)
from tests.unit.cli.command_line import Ended, runner
from tests.unit.cli.ledgers import in_ledger, morning
from worker.adapters.avro.frames import decode_frame
from worker.adapters.avro.records import RecordCodec
from worker.adapters.kafka.admin import describe_topics
from worker.adapters.kafka.connection import KafkaConnection
from worker.adapters.kafka.tools import Seen, send_records, tail
from worker.adapters.sql.operating import OperatorsLedger
from worker.adapters.sql.redrives import begin
from worker.application.letters import Position, letter_of
from worker.application.ports import RecordKind
from worker.domain.commands import Command, fingerprint
from worker.domain.outcomes import DeadLetterReason
from worker.domain.states import State

if TYPE_CHECKING:
    from ops.sandbox.kafka import SandboxKafka

pytestmark = pytest.mark.integration

Run = Callable[..., Ended]

CREATE = ("topics", "create", "--replication-factor", "1", "--partitions", "2")
WORKER = {
    "KAFKA_GROUP_ID": "g",
    "PAYWIZARD_BASE_URL": "https://portal.paywizard.example",
    "PAYWIZARD_CLIENT_ID": "client-1",
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
    prefix = f"operator-{uuid.uuid4().hex[:8]}."
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", kafka.bootstrap_servers)
    monkeypatch.setenv("KAFKA_TOPIC_PREFIX", prefix)
    monkeypatch.setenv("COLUMNS", "240")
    return prefix


@pytest.fixture
def run(prefix: str, capsys: pytest.CaptureFixture[str]) -> Run:
    run = runner(capsys)
    assert run(*CREATE, "--dead-letter-partitions", "1").code == 0
    return run


def present(connection: KafkaConnection, topic: str) -> list[Seen]:
    """Return what lies on a topic now."""
    return list(tail(connection, topic, from_beginning=True, follow=False))


# ── resolve ─────────────────────────────────────────────────────────────────────────────────


def test_a_resolution_lies_on_its_topic_with_who_and_why(
    run: Run,
    prefix: str,
    connection: KafkaConnection,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The client is named, so that no default decides whose order is resolved."""
    monkeypatch.setenv("LEDGER_URL", morning(tmp_path / "ledger.db"))
    words = ("resolve", "parked", "--outcome", "SUCCEEDED", "--checkout-id", "checkout-7")
    ended = run(*words, "--reason", "on the statement", "--operator", "duty-1", "--yes")
    assert ended.code == 0, ended.err
    (seen,) = present(connection, f"{prefix}commands.resolution")
    place = f"partition {seen.partition}, offset {seen.offset}"
    assert ended.out.splitlines()[-1] == f"parked: {prefix}commands.resolution, {place}"
    assert seen.key == b"parked"
    record = decode_frame(seen.value)
    assert record.name == "paywizard.commands.ResolutionCommand"
    asked = record.fields.pop("requestedAt")
    assert isinstance(asked, datetime)
    assert abs(datetime.now(UTC) - asked) < timedelta(minutes=1)
    assert record.fields == {
        "tranOrderNo": "parked",
        "clientId": "client-1",
        "outcome": "SUCCEEDED",
        "reason": "on the statement",
        "checkoutId": "checkout-7",
        "operator": "duty-1",
    }


# ── dead letters ────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def letters(
    run: Run,
    prefix: str,
    connection: KafkaConnection,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> str:
    """Put dead letters on their topic; order `used` is known. Return the ledger's URL."""
    command = RecordCodec(default_client_id="client-1").decode(
        RecordKind.COMMAND, payment("used")
    )
    assert isinstance(command, Command)
    used = replace(an_entry("used"), fingerprint=fingerprint(command))
    url = in_ledger(
        tmp_path / "ledger.db", lambda ledger: entry_in(ledger, State.SUCCEEDED, used)
    )
    monkeypatch.setenv("LEDGER_URL", url)
    for name, value in WORKER.items():
        monkeypatch.setenv(name, value)
    written = [
        letter(prefix, value, reason, offset=1000 + n, failed_at=FAILED + timedelta(hours=n))
        for n, (value, reason) in enumerate(LETTERS)
    ]
    assert len(list(send_records(connection, written))) == len(LETTERS)
    return url


def offsets(ended: Ended) -> list[int]:
    """Name the letters of an answer by their offsets."""
    assert ended.code == 0, ended.err
    return [
        int(json.loads(line)["letter"].partition(":")[2]) for line in ended.out.splitlines()
    ]


@pytest.mark.usefixtures("letters")
def test_letters_are_found_by_what_is_known_of_them(run: Run, prefix: str) -> None:
    """By reason, topic, order and time; those that do not decode have no order number."""
    for words, found in (
        ((), [0, 1, 2, 3, 4, 5, 6]),
        (("--reason", "CONFLICT"), [2, 3]),
        (("--reason", "CONFLICT", "--reason", "UNKNOWN_SCHEMA"), [0, 1, 2, 3, 6]),
        (("--topic", "commands.payment", "--order", "good-2"), [1]),
        (("--topic", f"{prefix}commands.void"), []),
        (("--since", "2026-02-03T06:05:06+00:00"), [2, 3, 4, 5, 6]),
        (
            ("--since", "2026-02-03T06:05:06+00:00", "--until", "2026-02-03T08:05:06+00:00"),
            [2, 3],
        ),
        (("--limit", "2"), [0, 1]),
    ):
        assert offsets(run("dead-letters", "list", "--json", *words)) == found, words
    lines = run("dead-letters", "list").out.splitlines()
    assert lines[1].split()[2:5] == ["0:0", "UNKNOWN_SCHEMA", "good-1"]
    assert "(excerpt)" in lines[6]


@pytest.mark.usefixtures("letters")
def test_a_letter_is_shown_without_what_is_personal(run: Run, prefix: str) -> None:
    """P10: key, content and headers hold the card; only who asks for it sees it."""
    for words in (("show", "0:0"), ("show", "0:0", "--json"), ("list", "--json")):
        ended = run("dead-letters", *words)
        assert ended.code == 0, ended.err
        assert ACCOUNT not in ended.out
        assert "****1234" in ended.out
    document = json.loads(run("dead-letters", "show", "0:0", "--reveal", "--json").out)
    assert document["key"] == document["value"]["accountId"] == ACCOUNT
    assert document["original"] == {
        "topic": f"{prefix}commands.payment",
        "partition": 0,
        "offset": 1000,
        "timestamp": FAILED.isoformat(),
    }
    assert document["headers"]["dlq.reason"] == "UNKNOWN_SCHEMA"
    for name in ("0:7", "5:0", "0:99"):
        ended = run("dead-letters", "show", name)
        assert (ended.code, ended.err.strip()) == (1, f"There is no dead letter {name}.")
    assert run("dead-letters", "show", "145").code == 2


@pytest.mark.usefixtures("letters")
def test_a_dry_run_says_for_each_letter_what_would_happen(
    run: Run, prefix: str, connection: KafkaConnection
) -> None:
    """And nothing is written, neither to Kafka nor to the ledger."""
    for _ in range(2):
        ended = run("dead-letters", "redrive", "--dry-run", "--json")
        assert ended.code == 0, ended.err
        assert [json.loads(line)["would"] for line in ended.out.splitlines()] == WOULD
    assert "execute 2" in run("dead-letters", "redrive", "--dry-run").err
    assert present(connection, f"{prefix}commands.payment") == []
    refused = run("dead-letters", "redrive")
    assert (refused.code, "say --yes, or --dry-run" in refused.err) == (2, True)


REDRIVE = (
    "dead-letters",
    "redrive",
    "--yes",
    "--json",
    "--operator",
    "duty-1",
    "--rate",
    "1000",
)


def redriven(run: Run, *words: str) -> list[int]:
    """Redrive, and name the letters that went by their offsets."""
    ended = run(*REDRIVE, *words)
    assert ended.code == 0, ended.err
    documents = [json.loads(line) for line in ended.out.splitlines()]
    return [int(each["letter"].partition(":")[2]) for each in documents if "placed" in each]


@pytest.mark.usefixtures("letters")
def test_what_leads_to_an_outcome_comes_again_with_its_trail(
    run: Run, prefix: str, connection: KafkaConnection
) -> None:
    """The same key, bytes and headers, the diagnosis, and who let it come again; each once."""
    assert redriven(run) == [0, 1, 6]
    seen = present(connection, f"{prefix}commands.payment")
    assert [each.value for each in seen] == [payment("good-1"), payment("good-2"), EXPIRED]
    first = seen[0]
    headers = dict(first.headers)
    assert first.key == ACCOUNT.encode()
    assert [each for each in first.headers if each[0] == "mine"] == [
        ("mine", b"1"),
        ("mine", b"2"),
    ]
    assert headers["dlq.reason"] == b"UNKNOWN_SCHEMA"
    assert headers["dlq.original.offset"] == b"1000"
    assert (headers["redrive.count"], headers["redrive.by"]) == (b"1", b"duty-1")
    at = datetime.fromisoformat(headers["redrive.at"].decode())
    assert abs(datetime.now(UTC) - at) < timedelta(minutes=1)
    assert redriven(run) == []
    again = run("dead-letters", "redrive", "--dry-run")
    assert "redriven before 3" in again.err
    assert "by duty-1; its record is at" in again.out
    assert len(present(connection, f"{prefix}commands.payment")) == 3


@pytest.mark.usefixtures("letters")
def test_who_insists_redrives_again_and_it_is_counted(
    run: Run, prefix: str, connection: KafkaConnection
) -> None:
    """Only with --again, and the record says that it is the second time."""
    order = ("--order", "good-1")
    assert redriven(run, *order) == [0]
    assert redriven(run, *order) == []
    assert redriven(run, *order, "--again") == [0]
    counts = [
        dict(each.headers)["redrive.count"]
        for each in present(connection, f"{prefix}commands.payment")
    ]
    assert counts == [b"1", b"2"]


def test_a_letter_that_may_have_gone_before_a_crash_stays(
    run: Run, letters: str, prefix: str, connection: KafkaConnection
) -> None:
    """Noted, but never known to be written: left alone, and the person is told why."""
    topic = f"{prefix}dead-letters"
    topic_id = describe_topics(connection, [topic])[topic].topic_id
    seen = present(connection, topic)[1]
    noted = letter_of(
        Position(topic_id, seen.partition, seen.offset), seen.key, seen.value, seen.headers
    )
    with OperatorsLedger.opened(letters) as ledger, ledger.writing() as sql:
        assert begin(sql, noted, "duty-0", None) is not None
    assert redriven(run, "--order", "good-2") == []
    told = run("dead-letters", "redrive", "--order", "good-2", "--dry-run").out
    assert "by duty-0; nobody knows whether its record is there; see --again" in told


@pytest.mark.usefixtures("letters")
def test_a_redrive_is_noted_before_it_is_tried(
    run: Run, prefix: str, connection: KafkaConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What failed on its way may be there all the same: it is not tried again by itself."""
    monkeypatch.setenv("KAFKA_COMMAND_TOPICS", "commands.payment commands.gone")
    reason = DeadLetterReason.UNKNOWN_SCHEMA
    lost = letter(prefix, payment("lost"), reason, offset=1, topic="commands.gone")
    assert len(list(send_records(connection, [lost]))) == 1
    failed = run(*REDRIVE, "--order", "lost")
    assert (failed.code, f"no topic {prefix}commands.gone" in failed.err) == (1, True)
    assert redriven(run, "--order", "lost") == []
    told = run("dead-letters", "redrive", "--order", "lost", "--dry-run").out
    assert "nobody knows whether its record is there" in told


@pytest.mark.usefixtures("letters")
def test_the_count_goes_on_through_a_second_letter(
    run: Run, prefix: str, connection: KafkaConnection
) -> None:
    """A redriven record that fails again is a new letter, which remembers the first one."""
    assert redriven(run, "--order", "good-1") == [0]
    topic = f"{prefix}commands.payment"
    (first,) = present(connection, topic)
    reason = DeadLetterReason.UNKNOWN_SCHEMA
    follows = letter(
        prefix, payment("good-1"), reason, partition=first.partition, offset=first.offset
    )
    assert len(list(send_records(connection, [follows]))) == 1
    assert redriven(run, "--order", "good-1") == [len(LETTERS)]
    assert dict(present(connection, topic)[-1].headers)["redrive.count"] == b"2"


@pytest.mark.usefixtures("letters")
def test_redriving_keeps_to_its_rate(
    run: Run, prefix: str, connection: KafkaConnection
) -> None:
    """Of three records at one a second the last is redriven more than a second after the first."""
    assert len(redriven(run, "--rate", "1")) == 3
    first, _, last = (
        datetime.fromisoformat(dict(seen.headers)["redrive.at"].decode())
        for seen in present(connection, f"{prefix}commands.payment")
    )
    assert last - first > timedelta(seconds=1)
