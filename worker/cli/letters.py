"""Dead letters read from their topic: which are wanted, and how they are shown."""

import json
from base64 import b64encode
from collections.abc import Iterator, Set
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import typer

from worker.adapters.avro.frames import DecodedRecord, FrameError, decode_frame
from worker.adapters.avro.json_form import to_json
from worker.adapters.avro.packaged_schemas import personal_fields
from worker.adapters.kafka.admin import describe_topics
from worker.adapters.kafka.connection import KafkaConnection, KafkaRefusedError
from worker.adapters.kafka.tools import Seen, tail
from worker.application.letters import Letter, NoLetterError, Position, letter_of
from worker.application.ports import OutputTopic
from worker.cli.columns import Column, Fields, printable, time_text
from worker.observability.redaction import MASK, mask_account
from worker.settings import KafkaSettings

CLOCKS_APART: Final = timedelta(hours=1)
"""A letter names its moment by a worker's clock, Kafka by the brokers'."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sought:
    """Which letters are wanted; what is not given restricts nothing. `topic` is the original one, in full."""

    topic: str | None = None
    reasons: Set[str] = frozenset()
    order: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    def fits(self, letter: Letter) -> bool:
        """Whether a letter is wanted."""
        return (
            self.topic in {None, letter.topic}
            and (not self.reasons or letter.reason in self.reasons)
            and (self.since is None or letter.failed_at >= self.since)
            and (self.until is None or letter.failed_at < self.until)
            and (self.order is None or order_of(letter) == self.order)
        )


@dataclass(frozen=True, slots=True)
class LetterBox:
    """The topic of the dead letters, as it is now."""

    connection: KafkaConnection
    topic: str
    topic_id: str

    def letters(self, sought: Sought) -> Iterator[Letter]:
        """Read the committed letters that are wanted, up to the last one that is there now."""
        since = None if sought.since is None else sought.since - CLOCKS_APART
        for seen in tail(
            self.connection, self.topic, from_beginning=True, follow=False, since=since
        ):
            letter = self.letter(seen)
            if letter is not None and sought.fits(letter):
                yield letter

    def letter(self, seen: Seen) -> Letter | None:
        """Read a record as a letter; None, and a line to the person, if it is none."""
        position = Position(self.topic_id, seen.partition, seen.offset)
        try:
            return letter_of(position, seen.key, seen.value, seen.headers)
        except NoLetterError as error:
            typer.echo(f"Left out: {error}.", err=True)
            return None


def letter_box(settings: KafkaSettings, connection: KafkaConnection) -> LetterBox:
    """Find the topic of the dead letters; KafkaRefusedError if there is none."""
    topic = settings.output_topic(OutputTopic.DEAD_LETTERS)
    facts = describe_topics(connection, [topic]).get(topic)
    if facts is None:
        raise KafkaRefusedError(
            f"There is no topic {topic}: run `paywizard-worker topics create`, or see "
            "KAFKA_TOPIC_PREFIX."
        )
    return LetterBox(connection, topic, facts.topic_id)


def order_of(letter: Letter) -> str | None:
    """Return the order number in a letter's value, where it can be read."""
    record = decoded(letter)
    number = None if record is None else record.fields.get("tranOrderNo")
    return number if isinstance(number, str) else None


def decoded(letter: Letter) -> DecodedRecord | None:
    """Decode a letter's value as any record of ours; None if it is none."""
    try:
        return decode_frame(letter.value)
    except FrameError:
        return None


def letter_document(letter: Letter, *, reveal: bool) -> dict[str, object]:
    """Return a letter as JSON; personal fields, the key and raw bytes only if they are to be shown."""
    record = decoded(letter)
    value = letter.value
    return {
        "letter": str(letter.position),
        "reason": letter.reason,
        "field": letter.error_field,
        "tranOrderNo": order_of(letter),
        "failedAt": letter.failed_at.isoformat(),
        "original": {
            "topic": letter.topic,
            "partition": letter.partition,
            "offset": letter.offset,
            "timestamp": letter.timestamp.isoformat(),
        },
        "excerpt": letter.is_excerpt,
        "key": _key(letter, reveal),
        "valueBytes": None if value is None else len(value),
        "value": None if record is None else _shown(to_json(record), reveal),
        "rawValue": b64encode(value).decode() if reveal and value is not None else None,
        "headers": {
            name: text.decode(errors="replace")
            for name, text in letter.headers
            if reveal or name.startswith("dlq.")
        },
    }


def _key(letter: Letter, reveal: bool) -> str | None:
    if letter.key is None:
        return None
    text = letter.key.decode(errors="replace")
    # The key is the card, or the order number.
    return text if reveal or text == order_of(letter) else mask_account(text)


def _shown(value: Any, reveal: bool) -> Any:
    return value if reveal else _masked(value, personal_fields())


def _masked(value: Any, personal: frozenset[str]) -> Any:
    match value:
        case dict():
            return {
                name: _mask(name, part) if name in personal else _masked(part, personal)
                for name, part in value.items()
            }
        case list():
            return [_masked(part, personal) for part in value]
        case _:
            return value


def _mask(name: str, value: object) -> object:
    if value is None:
        return None
    return mask_account(str(value)) if name == "accountId" else MASK


LETTER_COLUMNS: Final = (
    Column("failed (UTC)", 19, lambda row: time_text(row["letter"].failed_at)),
    Column("letter", 8, lambda row: str(row["letter"].position)),
    Column("reason", 22, lambda row: _reason(row["letter"])),
    Column("order", 20, lambda row: order_of(row["letter"]) or ""),
    Column("from topic", 28, lambda row: row["letter"].topic),
)


def letter_row(letter: Letter) -> Fields:
    """Return what the columns of a list take."""
    return {"letter": letter}


def print_letter(letter: Letter, *, reveal: bool) -> None:
    """Print one letter as lines of name and content."""
    for name, part in letter_document(letter, reveal=reveal).items():
        if name == "rawValue" and part is None:
            continue
        text = part if isinstance(part, str) else json.dumps(part, ensure_ascii=False)
        typer.echo(f"{name:12} {printable(text)}")


def _reason(letter: Letter) -> str:
    excerpt = "(excerpt)" if letter.is_excerpt else ""
    return " ".join(filter(None, (letter.reason, letter.error_field, excerpt)))
