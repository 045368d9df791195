"""Whatever comes in gets a clear reason, never reaches PayWizard and never stops the stream (P11)."""

import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

import pytest

from ops.sandbox.demo.troubles import refusable, unclaimable, undecodable
from ops.sandbox.following import BALANCE_REFRESH, DEAD_LETTERS, Seen
from ops.sandbox.kafka import SandboxKafka
from ops.sandbox.sending import Desk, Sending
from tests.e2e.runs import Run, started, world_of_cards
from worker.adapters.avro.frames import HEAD_SIZE_BYTES, encode_frame

WORLD: Final = world_of_cards(active=2)
BAD_CARD, GOOD_CARD = WORLD.cards
DESK: Final = Desk(now=datetime.now(UTC))
GOOD: Final = DESK.command("PaymentCommand", "GOOD", BAD_CARD, amount="1.00", currency="USD")
PARTITION: Final = 0


def _more_undecodable() -> Iterator[Sending]:
    assert GOOD.value is not None
    head, body = GOOD.value[:HEAD_SIZE_BYTES], GOOD.value[HEAD_SIZE_BYTES:]
    number_and_its_length = 1 + len("GOOD")
    refresh = {
        "clientId": BAD_CARD.client_id,
        "loyaltyChannel": BAD_CARD.loyalty_channel,
        "accountId": BAD_CARD.account_id,
        "entryType": "K",
        "tranOrderNo": "GOOD",
        "requestedAt": DESK.now,
    }
    values = {
        "number left out": head + body[number_and_its_length:],
        "garbage without key": b"\x13\x37",
        "internal record": encode_frame("paywizard.internal.BalanceRefresh", refresh),
    }
    for what, value in values.items():
        yield replace(GOOD, what=what, value=value, key=None)


DEAD: Final = {
    each.what: each
    for each in (
        *undecodable(DESK, random.Random(1), GOOD),
        *_more_undecodable(),
        *unclaimable(DESK, BAD_CARD),
    )
}
"""What becomes a dead letter, by its flaw."""
REFUSED: Final = {each.what: each for each in refusable(DESK, BAD_CARD)}
"""What is claimed and ends as NOT_EXECUTED, by its flaw."""


@pytest.fixture(scope="module")
def run(kafka: SandboxKafka, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """A worker with one partition per topic: what stands behind a bad record cannot pass it."""
    folder = tmp_path_factory.mktemp("bad-input")
    settings = {"PAYWIZARD_REFUSED_CODES": ""}  # what PayWizard refuses would be in doubt
    with started(kafka.bootstrap_servers, folder, WORLD, settings=settings) as run:
        run.start_worker()
        yield run


def send_before_a_good_one(run: Run, bad: Sending) -> tuple[int, int]:
    """Send it with a good payment behind it, wait, see that one succeed; return where the bad one lies."""
    good = run.payment(f"behind {bad.what}", GOOD_CARD)
    place, _ = run.sender.send(bad, replace(good, topic=bad.topic), partition=PARTITION)
    run.finish()
    assert run.results()[f"behind {bad.what}"]["status"] == "SUCCEEDED"
    return place


@pytest.mark.parametrize(
    ("flaw", "reason", "says", "path"),
    [
        ("garbage bytes", "BAD_FRAME", "neither Avro single-object encoding", None),
        ("garbage without key", "BAD_FRAME", "neither Avro single-object encoding", None),
        ("no bytes", "BAD_FRAME", "neither Avro single-object encoding", None),
        ("null value", "TOMBSTONE", "no value", None),
        ("unknown schema", "UNKNOWN_SCHEMA", "a schema this worker does not know", None),
        ("Confluent frame", "UNSUPPORTED", "no schema registry", None),
        ("wrong topic", "WRONG_TOPIC", "does not belong on this topic", None),
        ("internal record", "WRONG_TOPIC", "does not belong on this topic", None),
        ("left-over bytes", "UNDECODABLE", "bytes are left over", None),
        ("cut off", "UNDECODABLE", "does not decode", None),
        ("number left out", "UNDECODABLE", "does not decode", None),
        ("empty number", "INVALID", "no usable order number", "tranOrderNo"),
        ("number too long", "INVALID", "1 to 64 printable characters", "tranOrderNo"),
        ("number with a line end", "INVALID", "1 to 64 printable characters", "tranOrderNo"),
        ("unknown client", "INVALID", "a client this worker does not know", "clientId"),
    ],
)
def test_what_cannot_be_claimed_is_a_dead_letter(
    run: Run, flaw: str, reason: str, says: str, path: str | None
) -> None:
    """Reason, sentence and field are in headers; key, bytes and headers are as they were sent."""
    bad = DEAD[flaw]
    place = send_before_a_good_one(run, bad)
    letter = run.letter_about(bad, place)
    assert (letter.header("dlq.reason"), letter.header("dlq.error.field")) == (reason, path)
    assert says in (letter.header("dlq.message") or "")
    assert (letter.key, letter.value) == (bad.key, bad.value)
    assert set(bad.headers) <= set(letter.headers)
    assert_is_diagnosed(run, letter)


def assert_is_diagnosed(run: Run, letter: Seen) -> None:
    """It says in whose name and when it was written, and shows no card number (P10)."""
    assert letter.header("dlq.group") == run.settings["KAFKA_GROUP_ID"]
    assert letter.header("dlq.worker.version")
    sent, failed = (
        datetime.fromisoformat(letter.header(name) or "")
        for name in ("dlq.original.timestamp", "dlq.failed.at")
    )
    assert DESK.now <= sent <= failed
    assert BAD_CARD.account_id.encode() not in b"".join(value for _, value in letter.headers)


@pytest.mark.parametrize(
    ("flaw", "reason", "detail"),
    [
        ("zero amount", "INVALID", "amount"),
        ("negative amount", "INVALID", "amount"),
        ("amount too precise", "INVALID", "amount"),
        ("unknown currency", "INVALID", "currency"),
        ("both originals", "INVALID", "originalTranOrderNo"),
        ("no original", "INVALID", "originalTranOrderNo"),
        ("unknown checkoutId", "ORIGINAL_UNKNOWN", None),
        ("expired", "EXPIRED", None),
    ],
)
def test_wrong_content_ends_as_not_executed(
    run: Run, flaw: str, reason: str, detail: str | None
) -> None:
    """The number is used up, the result names the field, and nothing was ever submitted."""
    bad = REFUSED[flaw]
    send_before_a_good_one(run, bad)
    result = run.results()[bad.order or ""]
    told = result["status"], result["reason"], result["reasonDetail"], result["decidedBy"]
    assert told == ("NOT_EXECUTED", reason, detail, "WORKER")
    assert (result["attempts"], result["submittedAt"]) == (0, None)
    assert bad.order not in run.book()["orders"]


def test_a_refused_number_is_used_up(run: Run) -> None:
    """The corrected command under the same number is a CONFLICT; the book has no request of it."""
    refused = run.payment("used up", BAD_CARD, "0")
    corrected = run.payment("used up", BAD_CARD, "1.00")
    _, place = run.sender.send(refused, corrected, partition=PARTITION)
    run.finish()
    assert run.results()["used up"]["reason"] == "INVALID"
    assert run.letter_about(corrected, place).header("dlq.reason") == "CONFLICT"
    assert "used up" not in run.book()["orders"]


def test_only_good_commands_reached_paywizard(run: Run) -> None:
    """No bad record led to a request, not even to one that PayWizard turned away."""
    before = run.book()
    run.sender.send(*DEAD.values(), *REFUSED.values(), partition=PARTITION)
    run.finish()
    after = run.book()
    assert after == before
    assert after["rejected"] == {"sign": 0, "token": 0, "request": 0}
    assert not [order for order in after["orders"] if not order.startswith("behind")]


def test_the_verdict_holds(run: Run) -> None:
    """The independent checker agrees on every record, the exact copies included."""
    assert run.verdict().findings == ()


def test_a_command_on_an_internal_topic_is_a_dead_letter(
    kafka: SandboxKafka, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Our own topics are read with the same care; balance changes go on behind it."""
    folder = tmp_path_factory.mktemp("internal")
    with started(kafka.bootstrap_servers, folder, WORLD) as run:
        run.start_worker()
        stray = replace(run.payment("stray", BAD_CARD), topic=BALANCE_REFRESH)
        (place,) = run.sender.send(stray)
        run.sender.send(run.payment("good", GOOD_CARD))
        run.finish()
        assert run.letter_about(stray, place).header("dlq.reason") == "WRONG_TOPIC"
        assert len(run.published(DEAD_LETTERS)) == 1
        assert run.book()["orders"].keys() == {"good"}
        assert len(run.balance_changes(GOOD_CARD)) == 1
