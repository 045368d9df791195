"""A day full of doubt: what PayWizard does to its callers, and the orders that upstream sends meanwhile."""

import json
from collections.abc import Iterator
from typing import Any, Final

from ops.sandbox.paywizard.fault_plan import FaultPlan

LOST: Final = "lost: "
PENDING: Final = "pending: "
"""How the rules are named that lose an answer, or leave an order pending."""
MOVING: Final = (
    "giftTransaction",
    "giftIssuance",
    "loyaltyIssuance",
    "loyaltyRedemption",
    "giftVoid",
    "giftTip",
)

_Rule = tuple[str, float, dict[str, Any]]
_ORDERS: Final[tuple[_Rule, ...]] = (
    ("busy", 0.03, {"kind": "http-error", "status": 429, "retryAfter": 1}),
    ("lost: request closed", 0.03, {"kind": "lose-request", "how": "close"}),
    ("lost: request reset", 0.03, {"kind": "lose-request", "how": "reset"}),
    ("lost: request hangs", 0.01, {"kind": "lose-request", "how": "hang", "hangSeconds": 4}),
    (
        "pending: succeeds",
        0.08,
        {"kind": "pending", "settles": "success", "afterSeconds": 3},
    ),
    ("pending: fails", 0.05, {"kind": "pending", "settles": "failure", "afterQueries": 2}),
    ("pending: for ever", 0.03, {"kind": "pending", "settles": "never"}),
    ("lost: answer reset", 0.05, {"kind": "lose-answer", "how": "reset"}),
    ("lost: answer closed", 0.04, {"kind": "lose-answer", "how": "close"}),
    ("lost: answer hangs", 0.01, {"kind": "lose-answer", "how": "hang", "hangSeconds": 4}),
    ("lost: answer cut", 0.03, {"kind": "cut-answer"}),
    ("lost: half the JSON", 0.02, {"kind": "truncate"}),
    ("lost: garbage", 0.02, {"kind": "garbage", "content": "html"}),
    ("lost: server error", 0.02, {"kind": "http-error", "status": 502, "effect": True}),
    ("lost: result true", 0.02, {"kind": "wrong-type", "field": "result", "value": True}),
    ("lost: code as text", 0.02, {"kind": "wrong-type", "field": "code", "value": "200"}),
)
_QUERIES: Final[tuple[_Rule, ...]] = (
    ("query down", 0.2, {"kind": "http-error", "status": 503}),
    ("query busy", 0.05, {"kind": "http-error", "status": 429, "retryAfter": 1}),
    ("query lost", 0.1, {"kind": "lose-request", "how": "reset"}),
    ("query garbage", 0.05, {"kind": "garbage", "content": "bytes"}),
    ("query odd state", 0.05, {"kind": "wrong-type", "field": "state", "value": "2"}),
)
_FOUND: Final[tuple[_Rule, ...]] = (
    ("found not", 0.25, {"kind": "hide"}),
    ("found with another amount", 0.2, {"kind": "misreport", "about": ["amount"]}),
    ("found at another merchant", 0.2, {"kind": "misreport", "about": ["mid"]}),
)


def doubtful_plan(seed: int) -> FaultPlan:
    """Lose, delay and hold up answers, turn requests away.

    Queries are down at times, and hide or lie about some orders.
    """
    slow = {"distribution": "uniform", "secondsMin": 0.02, "secondsMax": 0.3}
    rules: list[dict[str, Any]] = [
        {"name": "slow", "fault": {"kind": "delay", "latency": slow}},
        *_rules(_ORDERS, MOVING, "request"),
        *_rules(_QUERIES, ("queryOrder",), "request"),
        *_rules(_FOUND, ("queryOrder",), "order"),
    ]
    return FaultPlan.model_validate_json(json.dumps({"seed": seed, "rules": rules}))


def _rules(
    table: tuple[_Rule, ...], operations: tuple[str, ...], per: str
) -> Iterator[dict[str, Any]]:
    for name, probability, fault in table:
        when = {"operations": operations}
        yield {"name": name, "when": when, "probability": probability, "per": per} | {
            "fault": fault
        }
