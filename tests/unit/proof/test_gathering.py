"""A history is gathered alike by one process and by several."""

from pathlib import Path

import pytest

from ops.bench.bench_checker import MadeSource
from ops.bench.checker_history import CLIENT, RESULTS, book_lines, write_part
from ops.proof import gathering
from ops.proof.book import book_of
from ops.proof.checker import check
from ops.proof.gathering import gather
from ops.proof.history import History

ORDERS = 300


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a made history that keeps every promise."""
    folder = tmp_path_factory.mktemp("history")
    write_part(folder, 0, ORDERS)
    return folder


def gathered(folder: Path) -> History:
    """Gather it."""
    return gather(MadeSource(folder), "paywizard.", lambda: book_of(book_lines(folder)), CLIENT)


def test_several_processes_gather_the_same_history(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What stands in it, and what the checker says of it."""
    alone = gathered(folder)
    monkeypatch.setattr(gathering, "LARGE", 1)
    together = gathered(folder)
    for name in ("commands", "results", "balance_changes", "dead_letters", "book"):
        one, other = getattr(alone, name), getattr(together, name)
        assert (
            one == other
            if name == "book"
            else sorted(map(repr, one)) == sorted(map(repr, other))
        )
    assert check(together) == check(alone)
    assert check(together).holds


def test_what_cannot_be_read_is_kept_as_that_by_both(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """An outcome that nobody can use is a finding, and ends nothing."""
    (results,) = folder.glob(f"{RESULTS}.*")
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(
            path.read_bytes().replace(b"\xc3\x01", b"\xc3\x02", 1)
            if path == results
            else path.read_bytes()
        )
    alone = gathered(tmp_path)
    monkeypatch.setattr(gathering, "LARGE", 1)
    assert [place for place, _ in alone.unreadable] == [
        place for place, _ in gathered(tmp_path).unreadable
    ]
    assert len(alone.unreadable) == 1
