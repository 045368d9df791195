"""What a dead letter keeps of a record is known, also of one that it cannot keep whole."""

import pytest

from ops.proof.checker import check
from ops.proof.history import Headers, History, Place, digest
from ops.proof.keeping import EXCERPT_BYTES, LETTER_BYTES_MAX, dead_letter, undecoded
from ops.proof.topics import Record
from tests.unit.proof.test_reading import NOON
from worker.application.dead_letters import DeadLetters
from worker.application.ports import RecordKind, SourceRecord
from worker.domain.entry import Source
from worker.domain.outcomes import DeadLetterReason

PLACE = Place("paywizard.commands.payment", 3, 17)
KEPT = Place("paywizard.dead-letters", 0, 0)
TRACE = (("trace", b"1"),)


def test_a_dead_letter_names_its_original() -> None:
    """The three headers together are the record that was refused."""
    headers = (
        ("dlq.original.topic", b"paywizard.commands.payment"),
        ("dlq.original.partition", b"3"),
        ("dlq.original.offset", b"17"),
    )
    read = dead_letter(Record(Place("d", 0, 0), b"key", None, headers))
    assert read.original == PLACE
    assert (read.key_digest, read.value_digest) == (digest(b"key"), digest(None))
    assert dead_letter(Record(PLACE, None, b"", headers[:2])).original is None


def kept_by_worker(sent: Record) -> Record:
    """Return the dead letter that the worker writes about a record."""
    source = SourceRecord(
        source=Source("topic id", *sent.place),
        tenure=0,
        kind=RecordKind.COMMAND,
        key=sent.key,
        value=sent.value,
        headers=sent.headers,
        timestamp=NOON,
    )
    letters = DeadLetters(group="g", version="1")
    (output,) = letters.letter(source, DeadLetterReason.BAD_FRAME, None, NOON).outputs
    return Record(KEPT, output.key, output.value, tuple(output.headers))


def run(sent: Record, letter: Record) -> History:
    """Return a run of one record of garbage and its dead letter."""
    command = undecoded(sent)._replace(flaw="no Avro frame")
    return History(commands=[command], dead_letters=[dead_letter(letter)])


LARGE = b"x" * LETTER_BYTES_MAX


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(Record(PLACE, b"key", b"garbage", TRACE), id="small"),
        pytest.param(Record(PLACE, None, LARGE), id="just whole"),
        pytest.param(Record(PLACE, b"k", LARGE), id="just not whole"),
        pytest.param(Record(PLACE, b"key", LARGE, TRACE), id="large"),
        pytest.param(Record(PLACE, LARGE, b"garbage", TRACE), id="large key"),
        pytest.param(Record(PLACE, b"k", b"garbage", (("trace", LARGE),)), id="large header"),
        pytest.param(Record(PLACE, None, LARGE, (("dlq.x", LARGE),)), id="header of ours"),
    ],
)
def test_what_the_worker_keeps_of_a_record_is_no_alteration(sent: Record) -> None:
    """A record above 768 KiB is cut, so that its dead letter fits into Kafka."""
    assert check(run(sent, kept_by_worker(sent))).holds


def altered(letter: Record, name: str, value: bytes) -> Headers:
    return tuple((each, value if each == name else said) for each, said in letter.headers)


def test_an_altered_excerpt_is_found() -> None:
    """P3: its hash and size tell what was sent, and its beginning is what it was."""
    sent = Record(PLACE, b"key", LARGE, TRACE)
    letter = kept_by_worker(sent)
    assert letter.value is not None
    for doctored in (
        letter._replace(value=letter.value[:-1]),
        letter._replace(value=LARGE),
        letter._replace(key=b"k"),
        letter._replace(headers=altered(letter, "dlq.excerpt.sha256", b"0" * 64)),
        letter._replace(headers=altered(letter, "dlq.excerpt.original.bytes", b"1")),
        letter._replace(headers=altered(letter, "trace", b"2")),
    ):
        assert [each.promise for each in check(run(sent, doctored)).findings] == ["P3"]


def test_a_record_that_could_be_kept_whole_is_not_to_be_cut() -> None:
    """P3: an excerpt cannot be sent again."""
    sent = Record(PLACE, b"key", b"x" * (EXCERPT_BYTES + 1))
    cut = kept_by_worker(Record(PLACE, b"key", LARGE))
    assert [each.promise for each in check(run(sent, cut)).findings] == ["P3"]
