"""The fault plan: which request meets which fault, by rule and by a chance that arrival cannot turn.

A chance is a hash of the plan's seed, the rule's name, the client, and the order number (of
giftActivate and giftInquiry: the card) with the count of its requests. So two runs with one seed
meet the same faults per order, however their requests interleave.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, Self

from pydantic import Field, model_validator

from ops.sandbox.paywizard.fault_kinds import Delay, Endpoint, Fault, Stage
from ops.sandbox.paywizard.latency import Uniform
from ops.sandbox.paywizard.part import Part

_CHANCE_BYTES: Final = 8
_CHANCE_BITS: Final = 53  # as many as a float holds exactly, so that 1.0 is never reached


@dataclass(frozen=True, slots=True)
class Subject:
    """What a request is about, as rules see it.

    A query is about the order that it would find, or about the identifier it names; a void about
    the card of its original. `request` counts from 1 what came for this operation and this order,
    or this card where there is no order number.
    """

    client_id: str
    endpoint: str
    order_no: str | None
    account_id: str | None
    request: int

    @property
    def key(self) -> str:
        """The order number, or the card of what has none."""
        return f"card {self.account_id}" if self.order_no is None else self.order_no


class When(Part):
    """Which requests a rule is for; what is left out does not matter."""

    operations: tuple[Endpoint, ...] | None = Field(default=None, strict=False)
    clients: tuple[str, ...] | None = Field(default=None, strict=False)
    cards: tuple[str, ...] | None = Field(default=None, strict=False)
    orders: tuple[str, ...] | None = Field(default=None, strict=False)
    """Order numbers; one that ends with `*` stands for all that begin so."""
    from_request: int = Field(default=1, ge=1)
    to_request: int | None = Field(default=None, ge=1)

    def fits(self, subject: Subject) -> bool:
        """Whether this request is one of them."""
        last = self.to_request
        return (
            (self.operations is None or subject.endpoint in self.operations)
            and (self.clients is None or subject.client_id in self.clients)
            and (self.cards is None or subject.account_id in self.cards)
            and (self.orders is None or any(_names(e, subject.order_no) for e in self.orders))
            and self.from_request <= subject.request
            and (last is None or subject.request <= last)
        )


def _names(pattern: str, order_no: str | None) -> bool:
    if order_no is None:
        return False
    if pattern.endswith("*"):
        return order_no.startswith(pattern[:-1])
    return order_no == pattern


class Rule(Part):
    """One fault, for whom, and how likely."""

    name: str = Field(min_length=1)
    when: When = When()
    probability: float = Field(default=1.0, ge=0, le=1)
    per: Literal["request", "order"] = "request"
    """Whether each request of an order takes its own chance, or all of them share one."""
    fault: Fault

    def strikes(self, subject: Subject, seed: int) -> bool:
        """Whether this request meets the fault, unless an earlier rule of its stage did."""
        if subject.endpoint not in self.fault.endpoints or not self.when.fits(subject):
            return False
        return self.chance(subject, seed, "strikes") < self.probability

    def chance(self, subject: Subject, seed: int, purpose: str) -> float:
        """Return an even chance in [0, 1), always the same for the same words."""
        turn = [] if self.per == "order" else [subject.endpoint, str(subject.request)]
        words = [str(seed), self.name, purpose, subject.client_id, subject.key, *turn]
        text = "".join(f"{len(word)}:{word}" for word in words)
        digest = hashlib.blake2b(text.encode(), digest_size=_CHANCE_BYTES).digest()
        drawn = int.from_bytes(digest) >> (8 * _CHANCE_BYTES - _CHANCE_BITS)
        return drawn * 2.0**-_CHANCE_BITS


class QueryView(Part):
    """What queryOrder shows where no page says it."""

    by_order_number: bool = True
    """Whether `transIndexCode` also finds the caller's own tranOrderNo (gap G5)."""
    failed_orders: Literal["closed", "pending", "not-found"] = "closed"
    """How a declined order shows: state 5, state 1 for ever, or not at all (section 5)."""
    amounts: Literal["major-units", "implied-decimals"] = "major-units"
    """Whether `amount` is `10.50` or `105000` (gap G3)."""
    echoes_order_number: bool = False
    """Whether `transIndexCode` of the answer is the caller's number or the platform's (gap G4)."""


class FaultPlan(Part):
    """What the simulator does to its callers; the default does nothing to anyone."""

    seed: int = 0
    query: QueryView = QueryView()
    rules: tuple[Rule, ...] = Field(default=(), strict=False)

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        names = [rule.name for rule in self.rules]
        if len(set(names)) != len(names):
            raise ValueError("two rules have one name, and would share their chances")
        return self

    def met_by(self, subject: Subject) -> Mapping[Stage, Rule]:
        """Return what a request meets: of each stage the first rule that strikes."""
        met: dict[Stage, Rule] = {}
        for rule in self.rules:
            stage = rule.fault.stage
            if stage not in met and rule.strikes(subject, self.seed):
                met[stage] = rule
        return met

    def to_json(self) -> str:
        """The file that `read_plan` reads."""
        return self.model_dump_json(by_alias=True, exclude_none=True, indent=2)


CALM: Final = FaultPlan()


def read_plan(path: Path) -> FaultPlan:
    """Read a plan. Raises OSError, or pydantic's ValidationError."""
    return FaultPlan.model_validate_json(path.read_bytes())


def slow_plan(seconds_min: float, seconds_max: float, seed: int = 0) -> FaultPlan:
    """Return a plan that does nothing but answer late, evenly between two bounds; calm for 0, 0."""
    if seconds_max == 0:
        return FaultPlan(seed=seed)
    latency = Uniform(seconds_min=seconds_min, seconds_max=seconds_max)
    return FaultPlan(seed=seed, rules=(Rule(name="latency", fault=Delay(latency=latency)),))
