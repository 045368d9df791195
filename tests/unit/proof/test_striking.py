"""Troubles strike in their time, several at once if they hit different parts, and are written down."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import cast

from ops.proof.schedule import Planned
from ops.proof.troubles.kinds import Kind
from ops.proof.troubles.scene import Blow, Course, Scene, WaitedInVainError
from ops.proof.troubles.striking import AT_ONCE_MAX, Striker

NO_SCENE = cast("Scene", None)
"""The courses of these tests act on nothing."""


class Stage:
    """Troubles that last until they are let go, each by its kind."""

    def __init__(self) -> None:
        self.under_way: list[str] = []
        self.let_go: set[str] = set()

    def kind(self, name: str, *hits: str) -> Kind:
        """Make a kind that hits these parts."""

        def course(_: Scene, blow: Blow) -> Course:
            blow.hits(name)
            self.under_way.append(name)
            while name not in self.let_go:
                yield
            self.under_way.remove(name)

        return Kind(course=course, hits=frozenset(hits))


def striker(kinds: dict[str, Kind], timeline: Path, say: Callable[[str], None]) -> Striker:
    """Plan each kind once, at 0.1, 0.2 and so on."""
    planned = [
        Planned(number=number, kind=name, position=number / 10)
        for number, name in enumerate(kinds, 1)
    ]
    return Striker(NO_SCENE, planned, kinds, timeline, say)


def test_a_trouble_waits_for_its_time(tmp_path: Path) -> None:
    """Nothing strikes before the run is so far."""
    stage = Stage()
    striking = striker({"a": stage.kind("a", "x")}, tmp_path / "t", print)
    striking.step(0.09)
    assert stage.under_way == []
    striking.step(0.1)
    assert stage.under_way == ["a"]
    assert (striking.is_hit("x"), striking.is_hit("y")) == (True, False)


def test_no_two_that_hit_one_part_are_under_way_at_once(tmp_path: Path) -> None:
    """The second waits for the end of the first, and those behind it keep their turn."""
    stage = Stage()
    kinds = {
        "a": stage.kind("a", "x"),
        "b": stage.kind("b", "x", "y"),
        "c": stage.kind("c", "z"),
    }
    striking = striker(kinds, tmp_path / "t", print)
    striking.step(1)
    assert stage.under_way == ["a"]
    stage.let_go.add("a")
    striking.step(1)
    striking.step(1)
    assert stage.under_way == ["b", "c"]


def test_only_so_many_are_under_way_at_once(tmp_path: Path) -> None:
    """More would hide each other, though they hit different parts."""
    stage = Stage()
    kinds = {name: stage.kind(name, name) for name in "abcde"}
    striking = striker(kinds, tmp_path / "t", print)
    striking.step(1)
    assert len(stage.under_way) == AT_ONCE_MAX


def test_what_has_struck_is_in_the_timeline(tmp_path: Path) -> None:
    """As it ended: number, kind, whom it hit, and when."""
    stage, said = Stage(), list[str]()
    striking = striker({"a": stage.kind("a", "x")}, tmp_path / "t", said.append)
    striking.step(1)
    assert not (tmp_path / "t").exists()
    stage.let_go.add("a")
    striking.step(1)
    (line,) = map(json.loads, (tmp_path / "t").read_text().splitlines())
    assert (line["number"], line["kind"], line["target"]) == (1, "a", "a")
    assert line["began_at"] <= line["ended_at"]
    assert said == ["1: a hits a"]
    assert striking.is_idle


def test_waiting_in_vain_ends_a_trouble_and_is_told(tmp_path: Path) -> None:
    """The run goes on, and does not hold."""

    def course(_: Scene, blow: Blow) -> Course:
        blow.hits("whom")
        yield
        raise WaitedInVainError("it did not come back")

    kinds = {"a": Kind(course=course, hits=frozenset())}
    striking = striker(kinds, tmp_path / "t", print)
    for _ in range(2):
        striking.step(1)
    assert striking.failures == ["Trouble 1, a (whom): it did not come back."]
    assert striking.is_idle


def test_a_stop_lets_what_is_under_way_end(tmp_path: Path) -> None:
    """What is away must come back before the run can be judged."""
    stage = Stage()
    kinds = {"a": stage.kind("a", "x"), "b": stage.kind("b", "x")}
    striking = striker(kinds, tmp_path / "t", print)
    striking.step(1)
    striking.stop()
    assert stage.under_way == ["a"]
    stage.let_go.add("a")
    striking.step(1)
    assert striking.is_idle
    assert [each.kind for each in striking.struck] == ["a"]
