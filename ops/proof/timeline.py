"""What a proof was: how it was set up, and what was done to it when."""

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """One thing that was done to a run, from when to when; times are aware UTC.

    `kind` as the schedule names it, `target` whom it hit: a worker's instance, a broker, the ledger.
    """

    number: int
    kind: str
    target: str
    began_at: datetime
    ended_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """When a run began and ended, and its troubles by their beginning."""

    began_at: datetime
    ended_at: datetime
    troubles: tuple[Trouble, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What a reader needs to repeat a run.

    `worker` names the program under proof; `versions` are those of the parts, by name; `settings`
    are the worker's that differ from their defaults, without secrets.
    """

    orders: int
    workers: int
    brokers: int
    ledger: str
    worker: str
    seed: int
    command: str
    versions: dict[str, str] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)
