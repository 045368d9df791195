"""What the worker knows of its own health, and when it is alive, ready and started."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from worker.observability.labels import CHECKS, Check
from worker.observability.metrics import Metrics
from worker.observability.watchdog import Heartbeats

LEDGER_CHECK_AGE_MAX_SECONDS: Final = 30.0
WATCHDOG_AGE_MAX_SECONDS: Final = 15.0
LIVENESS_MARGIN_SECONDS: Final = 15.0
"""What a loop has beyond its watchdog limit: the watchdog ends the process first."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of a report: whether all is well, and how old that knowledge is, if there is any."""

    ok: bool
    age_seconds: float | None


@dataclass(frozen=True, slots=True)
class Report:
    """The answer to a probe: well only if every finding is."""

    findings: Mapping[str, Finding]

    @property
    def ok(self) -> bool:
        """Whether the probe succeeds."""
        return all(finding.ok for finding in self.findings.values())

    def body(self) -> dict[str, object]:
        """Return the report as JSON types: status, and status and age per check."""
        return {
            "status": _word(self.ok),
            "checks": {
                name: {
                    "status": _word(finding.ok),
                    "age_seconds": None
                    if finding.age_seconds is None
                    else round(finding.age_seconds, 1),
                }
                for name, finding in self.findings.items()
            },
        }


class Health:
    """Kept up by background checks, read by probes; a probe does no I/O. Usable from any thread.

    PayWizard is no part of it, nor whether there are partitions: an outage or a spare replica must
    not restart or block anything.
    """

    def __init__(
        self,
        heartbeats: Heartbeats,
        *,
        monotonic: Callable[[], float],
        metrics: Metrics,
        session_timeout_seconds: float,
    ) -> None:
        self._heartbeats = heartbeats
        self._monotonic = monotonic
        self._metrics = metrics
        self._session_timeout_seconds = session_timeout_seconds
        self._lock = threading.Lock()
        self._last: dict[Check, tuple[bool, float]] = {}
        self._last_passed: dict[Check, float] = {}
        self._draining_since: float | None = None
        metrics.ready.set_function(lambda: float(self.ready().ok))

    def report(self, check: Check, *, ok: bool) -> None:
        """Note the result of a check."""
        with self._lock:
            present = self._monotonic()
            self._last[check] = (ok, present)
            if ok:
                self._last_passed[check] = present
        self._metrics.health_check_status.labels(check=check).set(ok)

    def drain(self) -> None:
        """Be ready no more: the process ends after what is open."""
        with self._lock:
            if self._draining_since is None:
                self._draining_since = self._monotonic()

    def startup(self) -> Report:
        """Started once every check has passed once, and for good.

        `ledger`: migrated and the group's own. `schemas`, `topics`: found. `kafka_producer`:
        initialised. `kafka_consumer`: joined the group.
        """
        with self._lock:
            present = self._monotonic()
            return Report(
                {
                    check: Finding(
                        check in self._last_passed, self._last_result(check, present)[1]
                    )
                    for check in CHECKS
                }
            )

    def live(self) -> Report:
        """Alive while the watchdog is, and no loop is far beyond its limit."""
        age = self._heartbeats.age_seconds("watchdog")
        findings = {"watchdog": Finding(_younger(age, WATCHDOG_AGE_MAX_SECONDS), age)}
        for loop, (loop_age, limit) in self._heartbeats.watched().items():
            findings[loop] = Finding(loop_age < limit + LIVENESS_MARGIN_SECONDS, loop_age)
        return Report(findings)

    def ready(self) -> Report:
        """Ready when started, not draining, with a usable ledger and a member of the group.

        The ledger's last check must have passed, and lately. A membership may be interrupted by a
        rebalance for less than the session timeout.
        """
        started = self.startup().ok
        with self._lock:
            present = self._monotonic()
            passed, ledger_age = self._last_result("ledger", present)
            member_age = _age(self._last_passed.get("kafka_consumer"), present)
            draining_age = _age(self._draining_since, present)
        usable = passed and _younger(ledger_age, LEDGER_CHECK_AGE_MAX_SECONDS)
        member = _younger(member_age, self._session_timeout_seconds)
        return Report(
            {
                "started": Finding(started, None),
                "not_draining": Finding(draining_age is None, draining_age),
                "ledger": Finding(usable, ledger_age),
                "kafka_consumer": Finding(member, member_age),
            }
        )

    def _last_result(self, check: Check, present: float) -> tuple[bool, float | None]:
        passed, at = self._last.get(check, (False, None))
        return passed, _age(at, present)


def _age(at: float | None, present: float) -> float | None:
    return None if at is None else present - at


def _younger(age_seconds: float | None, limit_seconds: float) -> bool:
    return age_seconds is not None and age_seconds < limit_seconds


def _word(ok: bool) -> str:
    return "ok" if ok else "failing"
