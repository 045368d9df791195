"""What a certificate says: plain facts that its JSON holds and its page shows."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict

NAIVE = "naive"


class Fact(BaseModel):
    """A part of the certificate."""

    model_config = ConfigDict(frozen=True)


class SetupFact(Fact):
    """What a reader needs to repeat the run."""

    orders: int
    workers: int
    brokers: int
    ledger: str
    worker: str
    seed: int
    command: str
    versions: dict[str, str]
    settings: dict[str, str]

    @property
    def is_naive(self) -> bool:
        """Whether the program under proof was the one that takes no care."""
        return NAIVE in self.worker.lower()


class DoubtFact(Fact):
    """How many orders had this status once, and how they were settled."""

    status: str
    orders: int
    by_query: int
    by_operator: int
    by_late_answer: int
    by_worker: int
    still_open: int


class SeriesFact(Fact):
    """The run over time: first outcomes published in each interval, and orders open at its end."""

    interval_seconds: int
    first_outcomes: tuple[int, ...]
    open_orders: tuple[int, ...]


class TroubleFact(Fact):
    """A trouble, and how the run went on after it; see `Recovery` for the seconds."""

    number: int
    kind: str
    target: str
    began_at: datetime
    ended_at: datetime
    recovery_seconds: float | None
    silence_seconds: float


class KindFact(Fact):
    """The recoveries after all troubles of a kind.

    `went_on` had outcomes all through, after `unfollowed` none came; the seconds are of the others
    and of those that went on.
    """

    kind: str
    troubles: int
    went_on: int
    unfollowed: int
    median_seconds: float | None
    max_seconds: float | None


class SpreadFact(Fact):
    """How long something took each time."""

    times: int
    min_seconds: float
    median_seconds: float
    max_seconds: float


class RunnerFact(Fact):
    """What only who made the run can know: what upstream sent, how the workers ended and came back.

    `planned` troubles of which some did not strike if the time was over; `faults` of PayWizard count
    the orders that met them; `forgotten` orders went to the operator though no worker said so.
    """

    sent: int
    copies: int
    reuses: int
    planned: int
    once_open: int
    resolved: int
    forgotten: int
    exit_codes: dict[str, int]
    unexpected: tuple[str, ...]
    faults: dict[str, int]
    seconds: dict[str, SpreadFact]


class FindingFact(Fact):
    """A broken promise with its records, and the numbers of the troubles around it."""

    promise: str
    subject: str
    sentence: str
    records: tuple[str, ...]
    records_more: int
    troubles: tuple[int, ...]


class MutantFact(Fact):
    """A break of our own in the worker, and what caught it; nothing did if `caught_by` is empty."""

    name: str
    promise: str
    caught_by: str
    seconds: float | None


class Certificate(Fact):
    """Everything that the certificate says.

    `broken` counts all findings by promise, also those that are too many to be listed.
    `first_outcomes` counts the first word on each order, `figures` what the checker looked at.
    """

    holds: bool
    sentence: str
    setup: SetupFact
    began_at: datetime
    ended_at: datetime
    figures: dict[str, int]
    first_outcomes: dict[str, int]
    doubt: tuple[DoubtFact, ...]
    series: SeriesFact
    troubles: tuple[TroubleFact, ...]
    recoveries: tuple[KindFact, ...]
    broken: dict[str, int]
    findings: tuple[FindingFact, ...]
    runner: RunnerFact | None = None
    mutants: tuple[MutantFact, ...] = ()
