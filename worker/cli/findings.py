"""What `check` finds, and which exit code that makes."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from worker.adapters.kafka.admin import TopicFacts, TopicPlan, differences
from worker.cli.exits import ExitCode

GRAVEST_FIRST: Final = (
    ExitCode.USAGE,
    ExitCode.LEDGER,
    ExitCode.UNAVAILABLE,
    ExitCode.FAILURE,
)
"""What a person must mend comes before what a restart may cure."""


class Verdict(StrEnum):
    """How a finding stands."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at; `exit_code` tells what its failure means for a start."""

    check: str
    subject: str
    verdict: Verdict
    detail: str
    exit_code: ExitCode = ExitCode.CLEAN


def passed(check: str, subject: str, detail: str) -> Finding:
    """All is well."""
    return Finding(check, subject, Verdict.OK, detail)


def warned(check: str, subject: str, detail: str) -> Finding:
    """A worker starts, but someone should look."""
    return Finding(check, subject, Verdict.WARNING, detail)


def failed(check: str, subject: str, detail: str, exit_code: ExitCode) -> Finding:
    """A worker would not start, or not work."""
    return Finding(check, subject, Verdict.FAILED, detail, exit_code)


def exit_code_of(findings: Iterable[Finding]) -> ExitCode:
    """Return the gravest failure's code, or CLEAN."""
    codes = {finding.exit_code for finding in findings}
    return next((code for code in GRAVEST_FIRST if code in codes), ExitCode.CLEAN)


def judge_topic(
    plan: TopicPlan, facts: TopicFacts | None, wait_max_seconds: float | None
) -> Finding:
    """Compare a topic with its plan; `wait_max_seconds` for the topics that carry commands.

    The number of partitions is the operator's choice.
    """
    if facts is None:
        detail = "does not exist: run `paywizard-worker topics create`"
        return failed("topic", plan.name, detail, ExitCode.UNAVAILABLE)
    if facts.configs is None:
        return warned("topic", plan.name, "its settings may not be read by this user")
    if "compact" not in plan.configs["cleanup.policy"] and (
        "compact" in facts.configs["cleanup.policy"]
    ):
        detail = "is compacted, which loses records: set cleanup.policy=delete"
        return failed("topic", plan.name, detail, ExitCode.FAILURE)
    retention_ms = int(facts.configs["retention.ms"])
    if wait_max_seconds is not None and 0 <= retention_ms <= wait_max_seconds * 1000:
        detail = f"retention.ms={retention_ms} must exceed WAIT_MAX_SECONDS"
        return failed("topic", plan.name, detail, ExitCode.FAILURE)
    differing = differences(replace(plan, partitions=facts.partitions), facts)
    if differing:
        return warned("topic", plan.name, "; ".join(differing))
    return passed("topic", plan.name, f"{facts.partitions} partitions")
