"""Tells each request which faults it meets, under the plan in force, and writes them in the book."""

import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from ops.sandbox.paywizard.book import Book, Met
from ops.sandbox.paywizard.fault_kinds import Delay, Fault, Stage
from ops.sandbox.paywizard.fault_plan import FaultPlan, QueryView, Rule, Subject


@dataclass(frozen=True, slots=True)
class Encounter:
    """One request and what the plan that was in force when it came has for it."""

    subject: Subject
    plan: FaultPlan
    rules: Mapping[Stage, Rule]
    note: Callable[[Subject, Rule], None]

    @property
    def view(self) -> QueryView:
        """How queryOrder shows the truth."""
        return self.plan.query

    def fault(self, stage: Stage) -> Fault | None:
        """What it would meet at this stage."""
        rule = self.rules.get(stage)
        return None if rule is None else rule.fault

    def meet(self, stage: Stage) -> Fault | None:
        """What it meets at this stage, which stands in the book from now on."""
        rule = self.rules.get(stage)
        if rule is None:
            return None
        self.note(self.subject, rule)
        return rule.fault

    def seconds(self, stage: Stage) -> float:
        """How long it has to wait at this stage; 0 if no rule says so."""
        rule, fault = self.rules.get(stage), self.meet(stage)
        if rule is None or not isinstance(fault, Delay):
            return 0.0
        return fault.latency.at(rule.chance(self.subject, self.plan.seed, "seconds"))


class Faults:
    """The plan in force, and how many requests each order had."""

    def __init__(self, plan: FaultPlan, book: Book, now: Callable[[], datetime]) -> None:
        self._book = book
        self._now = now
        self._requests: Counter[tuple[str, str, str]] = Counter()
        self.follow(plan)

    @property
    def plan(self) -> FaultPlan:
        """The plan in force."""
        return self._plan

    def follow(self, plan: FaultPlan) -> None:
        """Take another plan for all requests that come from now on."""
        self._plan = plan
        self._book.note_plan(self._now(), json.loads(plan.to_json()))

    def encounter(
        self, client_id: str, endpoint: str, order_no: str | None, account_id: str | None
    ) -> Encounter:
        """Count a request, and draw what it meets."""
        about = f"card {account_id}" if order_no is None else order_no
        key = (client_id, endpoint, about)
        self._requests[key] += 1
        subject = Subject(client_id, endpoint, order_no, account_id, self._requests[key])
        return Encounter(subject, self._plan, self._plan.met_by(subject), self._note)

    def _note(self, subject: Subject, rule: Rule) -> None:
        self._book.note_met(Met(self._now(), subject, rule.name, rule.fault.kind))
