"""Header names that are no UTF-8: read all the same, since bad input never stops the stream (P11).

kafka-python 3.0.12 takes such a record for a corrupt one, and the fetcher would raise that at every
start. Private parts of the pinned version are touched here; `test_tripwire.py` watches them.
"""

from typing import Any

from kafka.record.default_records import DefaultRecordBatch
from typing_extensions import override


class Readable(bytearray):
    """Bytes whose slices can always be decoded: what is no UTF-8 becomes backslash escapes."""

    @override
    def __getitem__(self, key: Any) -> Any:
        found = super().__getitem__(key)
        return found if isinstance(found, int) else Readable(found)

    @override
    def decode(self, encoding: str = "utf-8", errors: str = "backslashreplace") -> str:
        return super().decode(encoding, errors)


def read_any_header_name() -> None:
    """Let every consumer of this process read records whatever their headers are called."""
    original = DefaultRecordBatch._read_msg
    if original.__module__ == __name__:
        return

    def read_message(batch: DefaultRecordBatch) -> Any:
        try:
            return original(batch)
        except UnicodeDecodeError:
            # Only for a batch that needs it: each byte is read through Python then. Nothing was
            # moved on, so that the message is read again from its beginning.
            batch._buffer = Readable(batch._buffer)
            return original(batch)

    DefaultRecordBatch._read_msg = read_message
