"""A history that is kept on disk is the same history, and is judged alike."""

import pickle
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ops.proof.checker import check
from ops.proof.history import Change, Command, History, Records, event_id
from ops.proof.packing import BALANCE_CHANGES, COMMANDS, RESULTS
from ops.proof.shelves import RECORDS_PER_CHUNK, SHELVES, Packing, Shelves
from tests.unit.proof.healthy_run import CONFLICT, RICH, book, doctor, first_result, second


def shelved(history: History) -> History:
    """Return the same history on disk."""
    commands, results = Shelves(COMMANDS), Shelves(RESULTS)
    changes = Shelves(BALANCE_CHANGES)
    commands.extend(history.commands)
    results.extend(history.results)
    changes.extend(history.balance_changes)
    return replace(history, commands=commands, results=results, balance_changes=changes)


def test_each_record_comes_back_as_it_was(history: History) -> None:
    """Nothing is lost by packing: no field, no type, no digit."""
    changes = (Change("USD", None, Decimal("1.2000")), Change("EUR", Decimal(1), Decimal(2)))
    doctor(history.balance_changes, lambda e: e.sequence == 3, changes=changes)
    first_result(history, "paid", texts=("a", "b"), published_at=second(7), card=None)
    kept = shelved(history)
    pairs: list[tuple[Records[Any], Records[Any]]] = [
        (history.commands, kept.commands),
        (history.results, kept.results),
        (history.balance_changes, kept.balance_changes),
    ]
    for before, after in pairs:
        assert len(after) == len(before)
        assert sorted(after) == sorted(before)
        assert {repr(each) for each in after} == {repr(each) for each in before}


def test_what_is_about_the_same_thing_stands_together_in_its_order() -> None:
    """A share of the orders has all that is about them, however much there is."""
    packing = Packing[tuple[str, int]](lambda pair: pair[:1], tuple, lambda packed: packed)  # type: ignore[arg-type,return-value]
    shelves = Shelves(packing)
    things, each = [f"thing {number}" for number in range(SHELVES)], RECORDS_PER_CHUNK + 1
    shelves.extend((thing, number) for number in range(each) for thing in things)
    assert len(shelves) == len(things) * each
    seen: set[str] = set()
    for shelf in shelves.shelves():
        of_thing: dict[str, list[int]] = {}
        for thing, number in shelf:
            of_thing.setdefault(thing, []).append(number)
        assert all(numbers == list(range(each)) for numbers in of_thing.values())
        assert not seen & of_thing.keys()
        seen |= of_thing.keys()
    assert seen == set(things)


def test_shelves_are_sent_with_all_that_stands_on_them(history: History) -> None:
    """Who decodes is another process than who judges; no file is left behind by either."""
    shelves = Shelves(COMMANDS)
    shelves.extend(history.commands)
    path = Path(shelves._path)
    arrived: Shelves[Command] = pickle.loads(pickle.dumps(shelves))  # noqa: S301 our own
    del shelves
    assert path.exists()
    assert sorted(arrived) == sorted(history.commands)
    arrived.extend(history.commands)
    assert len(arrived) == 2 * len(history.commands)
    assert sorted(arrived) == sorted([*history.commands, *history.commands])
    del arrived
    assert not path.exists()


def test_a_healthy_history_on_disk_holds(history: History) -> None:
    """It is judged as in memory."""
    assert check(shelved(history)) == check(history)


@pytest.mark.parametrize("all_settled", [False, True])
def test_what_is_broken_is_found_on_disk_too(history: History, *, all_settled: bool) -> None:
    """One break of each sort: orders, cards, dead letters and balances."""
    book(history, "paid", effects=2)
    first_result(history, "reloaded", submitted_at=second(0), texts=(f"no {RICH.account_id}",))
    final = event_id(history_order(history), "final")
    history.results = [result for result in history.results if result.event_id != final]
    history.dead_letters = [x for x in history.dead_letters if x.original != CONFLICT]
    history.balance_changes = [e for e in history.balance_changes if e.sequence != 2]
    in_memory = check(history, all_settled=all_settled)
    on_disk = check(shelved(history), all_settled=all_settled)
    assert {each.promise for each in in_memory.findings} == {"P1", "P5", "P6", "P7", "P10"} | (
        {"P2"} if all_settled else set()
    )
    assert set(on_disk.findings) == set(in_memory.findings)
    assert on_disk.counts == in_memory.counts


def history_order(history: History) -> Any:
    """Return the order that is first open and then settled."""
    (result,) = [r for r in history.results if r.status == "PENDING"]
    return result.order
