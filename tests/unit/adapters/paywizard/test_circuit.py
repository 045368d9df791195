"""One client's circuit: the whole grid of what may happen in each state, and what a token's answer is."""

from collections.abc import Callable
from math import inf

import pytest

from tests.instruments import unwatched_metrics
from worker.adapters.paywizard.circuit import Circuit, CircuitState, token_taken
from worker.domain.replies import (
    Answer,
    Approved,
    Declined,
    Doubt,
    NoAnswer,
    NotSent,
    NotSentCause,
    OrderFound,
    OrderNotFound,
    Pending,
    QueryAnswer,
    Refused,
    Reply,
    Throttled,
)
from worker.domain.retry_schedule import RetrySchedule

SCHEDULE = RetrySchedule(first_delay_seconds=1.0, delay_seconds_max=60.0)
NOW = 100.0

CLOSED = Circuit()
REOPENING = Circuit(refusals=3)  # closed by a probe that no call has confirmed
OPEN = Circuit(state=CircuitState.OPEN, refusals=3, probe_at=104.0)
HALF_OPEN = Circuit(state=CircuitState.HALF_OPEN, refusals=3, probe_at=90.0)
RENEWED = Circuit(state=CircuitState.HALF_OPEN, refusals=3, probe_at=90.0, renewed=True)

Happening = Callable[[Circuit], Circuit]
EVENTS: dict[str, Happening] = {
    "call refused": lambda circuit: circuit.call_refused(NOW, SCHEDULE, 0.0),
    "call answered": lambda circuit: circuit.call_answered(),
    "secrets renewed": lambda circuit: circuit.secrets_renewed(NOW),
    "probing": lambda circuit: circuit.probing(),
    "probe passed": lambda circuit: circuit.probed(NOW, SCHEDULE, 0.0, passed=True),
    "probe failed": lambda circuit: circuit.probed(NOW, SCHEDULE, 0.0, passed=False),
}
NEVER = None
"""Nobody may do this in that state."""

GRID: dict[tuple[Circuit, str], Circuit | None] = {
    (CLOSED, "call refused"): Circuit(state=CircuitState.OPEN, refusals=1, probe_at=101.0),
    (CLOSED, "call answered"): CLOSED,
    (CLOSED, "secrets renewed"): CLOSED,
    (CLOSED, "probing"): NEVER,
    (CLOSED, "probe passed"): NEVER,
    (CLOSED, "probe failed"): NEVER,
    (REOPENING, "call refused"): Circuit(state=CircuitState.OPEN, refusals=4, probe_at=108.0),
    (REOPENING, "call answered"): CLOSED,
    (REOPENING, "secrets renewed"): REOPENING,
    (REOPENING, "probing"): NEVER,
    (REOPENING, "probe passed"): NEVER,
    (REOPENING, "probe failed"): NEVER,
    (OPEN, "call refused"): OPEN,
    (OPEN, "call answered"): OPEN,
    (OPEN, "secrets renewed"): Circuit(state=CircuitState.OPEN, refusals=3, probe_at=NOW),
    (OPEN, "probing"): Circuit(state=CircuitState.HALF_OPEN, refusals=3, probe_at=104.0),
    (OPEN, "probe passed"): NEVER,
    (OPEN, "probe failed"): NEVER,
    (HALF_OPEN, "call refused"): HALF_OPEN,
    (HALF_OPEN, "call answered"): HALF_OPEN,
    (HALF_OPEN, "secrets renewed"): RENEWED,
    (HALF_OPEN, "probing"): NEVER,
    (HALF_OPEN, "probe passed"): REOPENING,
    (HALF_OPEN, "probe failed"): Circuit(state=CircuitState.OPEN, refusals=4, probe_at=108.0),
    (RENEWED, "call refused"): RENEWED,
    (RENEWED, "call answered"): RENEWED,
    (RENEWED, "secrets renewed"): RENEWED,
    (RENEWED, "probing"): NEVER,
    (RENEWED, "probe passed"): REOPENING,
    (RENEWED, "probe failed"): Circuit(state=CircuitState.OPEN, refusals=3, probe_at=NOW),
}


@pytest.mark.parametrize(("circuit", "event"), GRID)
def test_each_event_in_each_state_has_one_consequence(circuit: Circuit, event: str) -> None:
    """Only a refusal opens it, only a probe that passed closes it; the rest changes no state."""
    after = GRID[circuit, event]
    if after is NEVER:
        with pytest.raises(AssertionError):
            EVENTS[event](circuit)
    else:
        assert EVENTS[event](circuit) == after


def test_the_grid_is_whole() -> None:
    """Every state and every event are in it."""
    circuits = {circuit for circuit, _ in GRID}
    assert {circuit.state for circuit in circuits} == set(CircuitState)
    assert set(GRID) == {(circuit, event) for circuit in circuits for event in EVENTS}


def test_refusals_one_after_the_other_are_probed_less_and_less_often() -> None:
    """Up to the longest delay, also over closings that no call has confirmed."""
    circuit, delays = CLOSED, []
    for _ in range(8):
        circuit = circuit.call_refused(NOW, SCHEDULE, 0.0)
        delays.append(circuit.probe_at - NOW)
        circuit = circuit.probing().probed(NOW, SCHEDULE, 0.0, passed=True)
    assert delays == [1, 2, 4, 8, 16, 32, 60, 60]


def test_a_closed_circuit_waits_for_no_probe() -> None:
    """There is nothing to be found out."""
    assert CLOSED.probe_at == REOPENING.probe_at == inf


def test_the_states_are_the_labels_of_the_metric() -> None:
    """One-hot over exactly these."""
    families = {family.name: family for family in unwatched_metrics().families}
    assert families["gateway_circuit_state"].labels["state"] == tuple(CircuitState)


def answer(http_status: int | None, code: int | None = None) -> Answer:
    """An answer as far as a token shows in it."""
    return Answer(http_status=http_status, code=code)


@pytest.mark.parametrize(
    ("reply", "taken"),
    [
        *((NotSent(cause), None) for cause in NotSentCause),
        (NoAnswer(Doubt.TIMEOUT), None),
        (NoAnswer(Doubt.TIMEOUT, answer(200)), None),
        (NoAnswer(Doubt.CONNECTION_LOST), None),
        (NoAnswer(Doubt.CONNECTION_LOST, answer(200)), None),
        (NoAnswer(Doubt.BAD_REPLY), None),
        (NoAnswer(Doubt.BAD_REPLY, answer(200)), True),
        (NoAnswer(Doubt.HTTP_STATUS, answer(500)), True),
        (NoAnswer(Doubt.HTTP_STATUS, answer(200, 500)), True),
        (NoAnswer(Doubt.HTTP_STATUS, answer(401)), False),
        (NoAnswer(Doubt.HTTP_STATUS, answer(200, 403)), False),
        (Refused(answer(401)), False),
        (Refused(answer(403)), False),
        (Refused(answer(200, 401)), False),
        (Refused(answer(200, 403)), False),
        (Refused(answer(404)), True),
        (Refused(answer(200, 404)), True),
        (Throttled(None, answer(429)), True),
        (Approved(answer(200, 200)), True),
        (Declined(answer(200, 200)), True),
        (Pending(answer(200, 200)), True),
        (OrderFound(state=2), True),
        (OrderNotFound(answer(200, 200)), True),
    ],
)
def test_any_whole_answer_but_401_and_403_shows_that_the_token_was_taken(
    reply: Reply | QueryAnswer, taken: bool | None
) -> None:
    """What a query for an unknown order gets is not documented (G8): a circuit must still close."""
    assert token_taken(reply) is taken
