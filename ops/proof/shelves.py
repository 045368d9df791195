"""Keeps records by the million: packed, on disk, apart by what they are about, so that a share fits the memory."""

import pickle
import tempfile
import weakref
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, Any, Generic, NamedTuple, TypeVar

from typing_extensions import override

T = TypeVar("T")

# A share of a million orders is then about as many as anybody looks at as a whole.
SHELVES = 64
RECORDS_PER_CHUNK = 500
PICKLE_PROTOCOL = 5

Packed = tuple[object, ...]


class Packing(NamedTuple, Generic[T]):
    """How a sort of records is kept.

    `about` is what keeps records together; `pack` reduces one to a tuple of plain values, which are
    written many times faster than what they stand for, and `unpack` restores it.
    """

    about: Callable[[T], tuple[str, ...] | None]
    pack: Callable[[T], Packed]
    unpack: Callable[[Packed], T]


class _Chunk(NamedTuple):
    start: int
    size: int


class Shelves(Generic[T]):
    """Records on disk; what is about the same thing stands on the same shelf, in its order.

    Two `Shelves` put what is about the same thing on shelves of the same number.
    """

    def __init__(self, packing: Packing[T]) -> None:
        self._packing = packing
        with tempfile.NamedTemporaryFile(prefix="paywizard-shelves-", delete=False) as made:
            self._keep(made.name)
        self._chunks: list[list[_Chunk]] = [[] for _ in range(SHELVES)]
        self._unwritten: list[list[Packed]] = [[] for _ in range(SHELVES)]
        self._count = 0

    def _keep(self, path: str) -> None:
        """Have a file for as long as these shelves last, in this process or the one they are sent to."""
        self._path = path
        self._file = Path(path).open("r+b")  # noqa: SIM115  it is open as long as we are
        self._file_ends = weakref.finalize(self, _remove, self._file, path)

    @override
    def __getstate__(self) -> dict[str, Any]:
        """Go to another process, which has the file from now on."""
        for number in range(SHELVES):
            self._write(number)
        self._file.flush()
        self._file_ends.detach()
        self._file.close()
        return {
            "packing": self._packing,
            "path": self._path,
            "chunks": self._chunks,
            "count": self._count,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Arrive there."""
        self._packing, self._chunks, self._count = (
            state["packing"],
            state["chunks"],
            state["count"],
        )
        self._unwritten = [[] for _ in range(SHELVES)]
        self._keep(state["path"])

    def append(self, item: T, /) -> None:
        """Put one on its shelf."""
        # The same in each process, as `hash` is not.
        number = zlib.crc32("\n".join(self._packing.about(item) or ()).encode()) % SHELVES
        unwritten = self._unwritten[number]
        unwritten.append(self._packing.pack(item))
        self._count += 1
        if len(unwritten) == RECORDS_PER_CHUNK:
            self._write(number)

    def extend(self, items: Iterable[T], /) -> None:
        """Put each on its shelf."""
        for item in items:
            self.append(item)

    def _write(self, number: int) -> None:
        content = pickle.dumps(self._unwritten[number], PICKLE_PROTOCOL)
        start = self._file.seek(0, 2)
        self._file.write(content)
        self._chunks[number].append(_Chunk(start, len(content)))
        self._unwritten[number] = []

    def shelf(self, number: int) -> Iterator[T]:
        """Yield what stands on one shelf."""
        unpack = self._packing.unpack
        for chunk in self._chunks[number]:
            self._file.seek(chunk.start)
            yield from map(unpack, pickle.loads(self._file.read(chunk.size)))  # noqa: S301  our own
        yield from map(unpack, self._unwritten[number])

    def shelves(self) -> Iterator[Iterator[T]]:
        """Yield one shelf after the other."""
        return map(self.shelf, range(SHELVES))

    def __iter__(self) -> Iterator[T]:
        """Yield everything, shelf by shelf."""
        for number in range(SHELVES):
            yield from self.shelf(number)

    def __len__(self) -> int:
        """Return how many there are."""
        return self._count


def _remove(file: IO[bytes], path: str) -> None:
    file.close()
    Path(path).unlink(missing_ok=True)
