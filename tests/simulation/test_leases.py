"""A lease that is over means that its sender neither sends nor waits any more; the judge sees it."""

from dataclasses import dataclass

import pytest

from tests.simulation.application import CODEC
from tests.simulation.leases import LeaseOver, wrong_doubts
from tests.simulation.paywizard import Asked
from tests.simulation.scenarios import payment
from worker.application.ports import RecordKind
from worker.domain.commands import Payment
from worker.domain.states import State

CALL_DEADLINE_SECONDS = 5.0
NEVER = float("inf")


@dataclass(frozen=True, slots=True)
class Case:
    """When a request left, when its sender heard of it or died, and when its lease was over."""

    left_at: float
    lease_over_at: float
    heard_at: float | None = None
    died_at: float = NEVER
    sender: str = "worker-0.1"


def doubts(case: Case) -> list[str]:
    """Judge the order P1, which worker-0.1 submitted."""
    command = CODEC.decode(RecordKind.COMMAND, payment("P1"))
    assert isinstance(command, Payment)
    asked = Asked(case.sender, command, None, case.left_at, State.SUBMITTED)
    asked.heard_at = case.heard_at
    over = LeaseOver("P1", "worker-0.1", case.lease_over_at)
    died_at = {case.sender: case.died_at}
    return list(wrong_doubts([over], [asked], died_at, CALL_DEADLINE_SECONDS))


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(Case(1.0, 3.0), id="it waits"),
        pytest.param(Case(1.0, 3.0, heard_at=3.1), id="it hears a moment later"),
        pytest.param(Case(1.0, 3.0, died_at=3.1), id="it dies a moment later"),
        pytest.param(Case(3.0, 2.9), id="it sends only then"),
    ],
)
def test_an_order_is_given_up_too_early(case: Case) -> None:
    """While its sender may still send it, or hear what became of it, there is no doubt yet."""
    assert len(doubts(case)) == 1


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(Case(1.0, 3.0, heard_at=2.9), id="it has heard"),
        pytest.param(Case(1.0, 3.0, died_at=2.9), id="it is dead"),
        pytest.param(Case(1.0, 6.0), id="its call deadline is over, so it can only be stopped"),
        pytest.param(Case(1.0, 3.0, sender="worker-1.1"), id="another process sent it"),
    ],
)
def test_an_order_is_given_up_in_time(case: Case) -> None:
    """Nobody can be told more of an order whose sender is done with it."""
    assert doubts(case) == []
