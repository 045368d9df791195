"""Lets the planned troubles strike, each in its time and no two at once that would hide each other."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from ops.proof.schedule import Planned
from ops.proof.timeline import Trouble
from ops.proof.troubles.kinds import Kind
from ops.proof.troubles.scene import Blow, Course, Scene, WaitedInVainError

AT_ONCE_MAX: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class _UnderWay:
    blow: Blow
    kind: Kind
    course: Course


class Striker:
    """Begins troubles, takes them on step by step, and writes down what was done when."""

    def __init__(
        self,
        scene: Scene,
        planned: Iterable[Planned],
        kinds: Mapping[str, Kind],
        timeline: Path,
        say: Callable[[str], None],
    ) -> None:
        """Begin nothing before the first `step`; each trouble that has struck is added to `timeline`."""
        self._scene, self._kinds, self._timeline, self._say = scene, kinds, timeline, say
        self._planned = list(planned)
        self._under_way: list[_UnderWay] = []
        self.struck: list[Trouble] = []
        self.failures: list[str] = []
        """What did not come about as it should, and during what."""

    @property
    def next_position(self) -> float:
        """How far the run is to be when the next trouble begins; 1 if there is none."""
        return self._planned[0].position if self._planned else 1.0

    @property
    def is_idle(self) -> bool:
        """Whether none is under way and none is to come."""
        return not self._under_way and not self._planned

    def is_hit(self, what: str) -> bool:
        """Whether a trouble of this is under way."""
        return any(what in each.kind.hits for each in self._under_way)

    def stop(self) -> None:
        """Begin no more; what is under way goes on to its end."""
        self._planned.clear()

    def step(self, position: float) -> None:
        """Begin what is due, and take on what is under way."""
        while self._planned and position >= self._planned[0].position and self._may_begin():
            planned = self._planned.pop(0)
            blow = Blow(number=planned.number, kind=planned.kind)
            kind = self._kinds[planned.kind]
            course = kind.course(self._scene, blow)
            self._under_way.append(_UnderWay(blow=blow, kind=kind, course=course))
        for each in [*self._under_way]:
            if not self._goes_on(each):
                self._under_way.remove(each)
                self._note(each.blow)

    def _may_begin(self) -> bool:
        hits = self._kinds[self._planned[0].kind].hits
        is_free = all(hits.isdisjoint(each.kind.hits) for each in self._under_way)
        return is_free and len(self._under_way) < AT_ONCE_MAX

    def _goes_on(self, each: _UnderWay) -> bool:
        blow, had_begun = each.blow, each.blow.began_at is not None
        try:
            next(each.course)
        except StopIteration:
            return False
        except WaitedInVainError as error:
            self.failures.append(
                f"Trouble {blow.number}, {blow.kind} ({blow.target}): {error}."
            )
            self._say(self.failures[-1])
            return False
        finally:
            if not had_begun and blow.began_at is not None:
                self._say(f"{blow.number}: {blow.kind} hits {blow.target}")
        return True

    def _note(self, blow: Blow) -> None:
        if blow.began_at is None:
            return
        trouble = Trouble(
            number=blow.number,
            kind=blow.kind,
            target=blow.target,
            began_at=blow.began_at,
            ended_at=datetime.now(UTC),
        )
        self.struck.append(trouble)
        with self._timeline.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(trouble), default=datetime.isoformat) + "\n")
