"""What a dead letter keeps of a record: all of it, or an excerpt and its hash where it would be too large (P3)."""

import hashlib
from functools import lru_cache
from typing import Final

from ops.proof.history import Command, DeadLetter, digest
from ops.proof.interface import EXCERPT_HASH, EXCERPT_SIZE, of_producers
from ops.proof.topics import Record

LETTER_BYTES_MAX: Final = 768 * 1024
EXCERPT_BYTES: Final = 64 * 1024
KEYS_KEPT: Final = 100_000


def undecoded(record: Record) -> Command:
    """Return `record` as bytes that were sent, whatever they say."""
    key_digest, value_digest = kept_digests(record)
    return Command(
        place=record.place,
        key_digest=key_digest,
        value_digest=value_digest,
        headers=record.headers,
        published_at=record.at,
    )


def dead_letter(record: Record) -> DeadLetter:
    """Return the dead letter in `record`."""
    said = dict(record.headers)
    value_digest = digest(record.value)
    if EXCERPT_HASH in said:
        size = said.get(EXCERPT_SIZE, b"")
        value_digest = _excerpt_digest(said[EXCERPT_HASH], size, record.value or b"")
    return DeadLetter(
        place=record.place,
        key_digest=_key_digest(record.key),
        value_digest=value_digest,
        headers=record.headers,
        published_at=record.at,
    )


def kept_digests(record: Record) -> tuple[bytes, bytes]:
    """Return the digests of key and value as a dead letter must keep them: of a large record an excerpt."""
    key, value = record.key, record.value
    if _size(record) <= LETTER_BYTES_MAX:
        return _key_digest(key), digest(value)
    value = value or b""
    sha256, size = hashlib.sha256(value).hexdigest(), str(len(value))
    excerpt = _excerpt_digest(sha256.encode(), size.encode(), value[:EXCERPT_BYTES])
    return digest(key and key[:EXCERPT_BYTES]), excerpt


def _size(record: Record) -> int:
    size = len(record.key or b"") + len(record.value or b"")
    for name, value in record.headers and of_producers(record.headers):
        size += len(name) + len(value)
    return size


def _excerpt_digest(sha256: bytes, size: bytes, excerpt: bytes) -> bytes:
    return digest(b"\n".join((sha256, size, excerpt)))


@lru_cache(KEYS_KEPT)
def _key_digest(key: bytes | None) -> bytes:
    return digest(key)
