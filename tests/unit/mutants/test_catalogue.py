"""The mutants of `make mutants` can still be made: a break of a line that is gone checks nothing."""

import ast
from pathlib import Path

import pytest

from tests.mutants.catalogue import MUTANTS
from tests.mutants.mutant import Mutant
from tests.mutants.suites import FOLDERS, Suite

ROOT = Path(__file__).parents[3]
every_mutant = pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)


@every_mutant
def test_a_mutant_breaks_exactly_one_place(mutant: Mutant) -> None:
    """Its old text stands once in its file: who moves a guarding line moves its break along."""
    assert mutant.fault(ROOT) is None


@every_mutant
def test_a_mutant_is_still_a_program(mutant: Mutant) -> None:
    """Else any suite would notice it, and say nothing about the promise."""
    text = (ROOT / mutant.file).read_text()
    broken = mutant.broken(text)
    assert ast.dump(ast.parse(broken)) != ast.dump(ast.parse(text))


@pytest.mark.parametrize(
    ("old", "count"), [("no such line", 0), ("State.SUBMITTED: ", 0), ("StrEnum", 3)]
)
def test_a_text_that_is_gone_or_ambiguous_is_a_fault(old: str, count: int) -> None:
    """Nothing is broken by guess."""
    [mutant] = [one for one in MUTANTS if one.name == "a lost answer sends again"]
    other = Mutant(
        name="other",
        promise="P1",
        why="",
        file=mutant.file,
        old=old,
        new="",
        suite=mutant.suite,
    )
    assert other.fault(ROOT) == f"its old text occurs {count} times in {mutant.file}"


def test_names_are_unique() -> None:
    """A break is repeated by its name."""
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS) >= 25


def test_every_promise_is_broken() -> None:
    """P1 to P14, each by one mutant at least."""
    broken = {mutant.promise for mutant in MUTANTS}
    assert broken == {f"P{number}" for number in range(1, 15)}


def test_every_suite_is_there() -> None:
    """A folder that was moved would notice nothing."""
    assert FOLDERS.keys() == set(Suite) - {Suite.SEEDS, Suite.SWEEPS}
    assert [
        name for names in FOLDERS.values() for name in names if not (ROOT / name).exists()
    ] == []
