"""Records on a real Kafka that only other clients can write: none of them stops the stream (P11)."""

from collections.abc import Sequence

import pytest
from typing_extensions import override

from tests.integration.kafka.members import MakeMember, Place, until
from tests.integration.kafka.operator import Operator
from worker.application.ports import Output, OutputTopic, SourceRecord

pytestmark = pytest.mark.integration


class RawName(str):
    """A header name that is sent as the bytes `raw`, which need not be UTF-8."""

    raw = b""

    @override
    def encode(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:
        return self.raw


def echo_with_headers(record: SourceRecord) -> Sequence[Output]:
    """Answer a record with itself, as an outcome carries its command's headers."""
    return (Output(OutputTopic.RESULTS, record.key, record.value, record.headers),)


async def test_a_header_whose_name_is_no_utf8_is_carried_under_a_readable_one(
    operator: Operator, place: Place, member: MakeMember
) -> None:
    """P11: kafka-python takes it for a corrupt record, and would end the worker at every start."""
    odd = RawName()
    odd.raw = b"na\xffme"
    headers = [("before", b"1"), (odd, b"2"), ("bücher", b"3")]
    operator.send(place, [b"0"])
    operator.send(place, [b"1"], headers=headers)
    operator.send(place, [b"2"])
    worker = member(answer=echo_with_headers)
    await until(lambda: worker.settled() == [True] * 3)
    assert [each.value for each in worker.application.received] == [b"0", b"1", b"2"]
    assert worker.application.received[1].headers == (
        ("before", b"1"),
        ("na\\xffme", b"2"),
        ("bücher", b"3"),
    )
    await until(lambda: operator.results(place) == [b"0", b"1", b"2"])
