"""What `check` makes of a topic, and of several findings together."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from worker.adapters.kafka.admin import TopicFacts, TopicPlan, TopicSizes, planned_topics
from worker.cli.exits import ExitCode
from worker.cli.findings import Verdict, exit_code_of, failed, judge_topic, passed, warned

WAIT_MAX_SECONDS = 86_400.0
PLANS = {plan.name: plan for plan in planned_topics("", ["commands.payment"], TopicSizes())}
COMMANDS = PLANS["commands.payment"]


def as_planned(plan: TopicPlan, changes: Mapping[str, str] | None = None) -> TopicFacts:
    """Return a topic that is as it should be, but for some changed settings."""
    return TopicFacts(
        topic_id="t",
        partitions=plan.partitions,
        replication_factor=plan.replication_factor,
        configs={**plan.configs, **(changes or {})},
    )


@pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS)
def test_a_topic_as_planned_passes(plan: TopicPlan) -> None:
    """What `topics create` makes is what `check` wants."""
    assert judge_topic(plan, as_planned(plan), None).verdict is Verdict.OK


def test_a_missing_topic_is_a_missing_dependency() -> None:
    """A worker would not start, and `topics create` helps."""
    found = judge_topic(COMMANDS, None, WAIT_MAX_SECONDS)
    assert (found.verdict, found.exit_code) == (Verdict.FAILED, ExitCode.UNAVAILABLE)
    assert "topics create" in found.detail


def test_another_number_of_partitions_is_the_operators_choice() -> None:
    """Partitions are an option of `topics create`."""
    facts = replace(as_planned(COMMANDS), partitions=48)
    assert judge_topic(COMMANDS, facts, WAIT_MAX_SECONDS).verdict is Verdict.OK


@pytest.mark.parametrize(
    ("retention_ms", "verdict"),
    [("-1", Verdict.WARNING), ("86400000", Verdict.FAILED), ("86400001", Verdict.WARNING)],
)
def test_commands_are_kept_longer_than_they_may_wait(
    retention_ms: str, verdict: Verdict
) -> None:
    """P3 ends at retention: what is gone before WAIT_MAX is over was lost. -1 keeps for ever."""
    facts = as_planned(COMMANDS, {"retention.ms": retention_ms})
    assert judge_topic(COMMANDS, facts, WAIT_MAX_SECONDS).verdict is verdict


def test_a_compacted_command_topic_fails() -> None:
    """Compaction keeps one command per card and throws the others away."""
    facts = as_planned(COMMANDS, {"cleanup.policy": "compact,delete"})
    assert judge_topic(COMMANDS, facts, WAIT_MAX_SECONDS).exit_code is ExitCode.FAILURE


def test_balance_changes_may_be_compacted_in_either_spelling() -> None:
    """Kafka does not keep the order of a list."""
    plan = PLANS["outcomes.balance-changes"]
    facts = as_planned(plan, {"cleanup.policy": "delete,compact"})
    assert judge_topic(plan, facts, None).verdict is Verdict.OK


def test_what_differs_is_named_in_a_warning() -> None:
    """Fewer copies work, but someone should know."""
    facts = replace(as_planned(COMMANDS, {"min.insync.replicas": "1"}), replication_factor=1)
    found = judge_topic(COMMANDS, facts, WAIT_MAX_SECONDS)
    assert found.verdict is Verdict.WARNING
    assert found.detail == (
        "replication factor: 1 (planned 3); min.insync.replicas: 1 (planned 2)"
    )


def test_settings_that_may_not_be_read_are_a_warning() -> None:
    """A worker's own user need not have the right to read topic settings."""
    facts = replace(as_planned(COMMANDS), configs=None)
    assert judge_topic(COMMANDS, facts, WAIT_MAX_SECONDS).verdict is Verdict.WARNING


@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        ([], ExitCode.CLEAN),
        ([ExitCode.FAILURE, ExitCode.UNAVAILABLE], ExitCode.UNAVAILABLE),
        ([ExitCode.UNAVAILABLE, ExitCode.LEDGER], ExitCode.LEDGER),
        ([ExitCode.LEDGER, ExitCode.USAGE], ExitCode.USAGE),
    ],
)
def test_the_gravest_failure_gives_the_exit_code(
    codes: list[ExitCode], expected: ExitCode
) -> None:
    """What a person must mend comes before what a restart may cure; warnings change nothing."""
    findings = [failed("c", "s", "d", code) for code in codes]
    assert exit_code_of([passed("c", "s", "d"), warned("c", "s", "d"), *findings]) is expected
