"""What makes the day doubtful, and who ends the doubt: PayWizard's faults, the power cut, the operator."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import httpx
from rich.console import Console
from rich.text import Text

from ops.sandbox.demo.stage import Stage
from ops.sandbox.paywizard.fault_kinds import Delay, Fault, Hide, LoseAnswer, Pending
from ops.sandbox.paywizard.fault_plan import FaultPlan, Rule, When
from ops.sandbox.paywizard.latency import Uniform
from ops.sandbox.worker_process import run_tool

MOVING: Final = ("giftTransaction", "giftIssuance", "loyaltyIssuance", "loyaltyRedemption")
UNFINDABLE: Final = "DEMO-UNANSWERED"
"""The order whose answer is lost, and which no query finds: only an operator can settle it."""
CALL_FOR_OPERATOR_SECONDS: Final = 13.0
"""So long an order is left to the worker's own questions; the first two are asked within eleven."""
LATENCY: Final = Uniform(seconds_min=0.02, seconds_max=0.1)
"""Enough for the calls of different cards to overlap, and for the run to be watched."""
KILL_AFTER_SHARE: Final = 0.5


def doubtful_plan(seed: int) -> FaultPlan:
    """Lose some answers after the effect, and leave some orders pending for a while."""
    unfindable = (UNFINDABLE,)
    rules: tuple[tuple[str, When, float, Fault], ...] = (
        ("latency", When(), 1.0, Delay(latency=LATENCY)),
        (
            "unanswered",
            When(operations=("giftTransaction",), orders=unfindable),
            1.0,
            LoseAnswer(how="reset"),
        ),
        ("unfindable", When(operations=("queryOrder",), orders=unfindable), 1.0, Hide()),
        ("answer lost", When(operations=MOVING), 0.05, LoseAnswer(how="reset")),
        ("not found at first", When(operations=("queryOrder",), to_request=1), 0.5, Hide()),
        (
            "pending",
            When(operations=MOVING),
            0.03,
            Pending(settles="success", after_seconds=3),
        ),
        (
            "pending in vain",
            When(operations=MOVING),
            0.02,
            Pending(settles="failure", after_seconds=3),
        ),
    )
    return FaultPlan(
        seed=seed,
        rules=tuple(
            Rule(name=name, when=when, probability=probability, fault=fault)
            for name, when, probability, fault in rules
        ),
    )


@dataclass(kw_only=True)
class PowerCut:
    """Ends the worker once, in the middle of its work, and starts it again."""

    stage: Stage
    console: Console
    is_over: bool = False

    def strike(self, share_sent: float) -> None:
        """Do it when so much of the day is over; ChildError: the worker does not start again."""
        if self.is_over or share_sent < KILL_AFTER_SHARE:
            return
        self.is_over = True
        self.stage.kill_worker()
        self.console.print(
            "The worker was killed with SIGKILL in the middle, and is started again"
        )


@dataclass(kw_only=True)
class Desk:
    """An operator's desk: whatever stays in doubt for long is looked up and resolved."""

    stage: Stage
    console: Console
    resolved: set[str] = field(default_factory=set)
    _open_since: dict[str, float] = field(default_factory=dict)

    def attend(self, in_doubt: Mapping[str, Mapping[str, Any]]) -> None:
        """Resolve each order that has been in doubt for too long; ChildError: it was refused."""
        now = time.monotonic()
        for order, fields in in_doubt.items():
            began = self._open_since.setdefault(order, now)
            if now - began >= CALL_FOR_OPERATOR_SECONDS and order not in self.resolved:
                self._resolve(order, fields["clientId"])

    def _resolve(self, order: str, client_id: str) -> None:
        ruling = self._ruling(client_id, order)
        if ruling is None:
            return
        self.resolved.add(order)
        run_tool(
            self.stage.settings,
            *("resolve", order, "--client", client_id, *ruling),
            *("--reason", "Looked up in PayWizard's book.", "--yes"),
        )
        said = f"An operator says: paywizard-worker resolve {order} {' '.join(ruling)}"
        self.console.print(Text(said), soft_wrap=True)

    def _ruling(self, client_id: str, order: str) -> tuple[str, ...] | None:
        """Look up how the order ended, as a person would in PayWizard's portal; None: not yet."""
        book = httpx.get(self.stage.simulator.book_url, trust_env=False)
        booked = next(
            (
                entry
                for entry in book.raise_for_status().json()["orders"]
                if (entry["clientId"], entry["tranOrderNo"]) == (client_id, order)
            ),
            None,
        )
        if booked is None or not booked["executions"]:
            return "--outcome", "NOT_EXECUTED"
        match booked["truth"]:
            case "SUCCEEDED":
                return "--outcome", "SUCCEEDED", "--checkout-id", booked["checkoutIds"][0]
            case "DECLINED":
                return "--outcome", "DECLINED"
            case _:
                return None
