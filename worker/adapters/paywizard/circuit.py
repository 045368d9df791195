"""One client's circuit: none of its calls goes while PayWizard refuses its token.

```
 CLOSED ──call refused──> OPEN ──probe due, a slot free──> HALF_OPEN ──probe passed──> CLOSED
                           ▲                                   │
                           └──────── probe not passed ─────────┘
```
A refusal is the only thing that opens it. A failing PayWizard does not: what never left is asked
again anyway, and what may have left is an order in doubt, one by one.
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from math import inf
from typing import Final

from worker.domain.replies import Doubt, NoAnswer, NotSent, OrderFound, QueryAnswer, Reply
from worker.domain.retry_schedule import RetrySchedule

TOKEN_REFUSED: Final = frozenset({401, 403})


class CircuitState(StrEnum):
    """Whether calls go: all, none but a probe that is out, none."""

    CLOSED = "closed"
    HALF_OPEN = "half_open"
    OPEN = "open"


@dataclass(frozen=True, slots=True, kw_only=True)
class Circuit:
    """What is known of a client's token. Times are the caller's clock, `jitter` is in [0, 1).

    `refusals` counts on over a closing that no call's answer has confirmed, so that probes which
    pass although calls are refused cost an order less and less often.
    """

    state: CircuitState = CircuitState.CLOSED
    refusals: int = 0
    probe_at: float = inf
    renewed: bool = False
    """The secrets changed while a probe with the old ones was out."""

    def call_refused(self, now: float, schedule: RetrySchedule, jitter: float) -> "Circuit":
        """Open; a call that was out when the circuit opened changes nothing."""
        if self.state is not CircuitState.CLOSED:
            return self
        return self._opened(now, schedule, jitter)

    def call_answered(self) -> "Circuit":
        """Note that a call's token was taken: the next refusal is the first of its kind."""
        confirmed = self.state is CircuitState.CLOSED and self.refusals > 0
        return Circuit() if confirmed else self

    def secrets_renewed(self, now: float) -> "Circuit":
        """Make the next probe due at once."""
        match self.state:
            case CircuitState.OPEN:
                return replace(self, probe_at=now)
            case CircuitState.HALF_OPEN:
                return replace(self, renewed=True)
            case CircuitState.CLOSED:
                return self

    def probing(self) -> "Circuit":
        """Let one probe go."""
        assert self.state is CircuitState.OPEN, self.state
        return replace(self, state=CircuitState.HALF_OPEN)

    def probed(
        self, now: float, schedule: RetrySchedule, jitter: float, *, passed: bool
    ) -> "Circuit":
        """Close, or wait for the next probe: at once if this one had old secrets."""
        assert self.state is CircuitState.HALF_OPEN, self.state
        if passed:
            return Circuit(refusals=self.refusals)
        if self.renewed:
            return Circuit(state=CircuitState.OPEN, refusals=self.refusals, probe_at=now)
        return self._opened(now, schedule, jitter)

    def _opened(self, now: float, schedule: RetrySchedule, jitter: float) -> "Circuit":
        refusals = self.refusals + 1
        delay = schedule.delay_after(refusals, jitter)
        return Circuit(state=CircuitState.OPEN, refusals=refusals, probe_at=now + delay)


def token_taken(reply: Reply | QueryAnswer) -> bool | None:
    """Say whether PayWizard took token and signature; None if no whole answer came.

    Any answer but 401 and 403 shows that it did (G8: which code a query for an unknown order gets
    is not documented), whatever the configured list of refusals makes of it for an order.
    """
    match reply:
        case NotSent() | NoAnswer(doubt=Doubt.TIMEOUT | Doubt.CONNECTION_LOST):
            return None
        case OrderFound():
            return True
        case _:
            said = {reply.answer.http_status, reply.answer.code} - {None}
            return not said & TOKEN_REFUSED if said else None
