"""The options that say which dead letters are wanted."""

from typing import Annotated

import typer

from worker.adapters.system_clock import SystemClock
from worker.cli.letters import Sought
from worker.cli.operating import moment_of
from worker.domain.outcomes import DeadLetterReason
from worker.settings import KafkaSettings

Topic = Annotated[
    str | None,
    typer.Option(
        help="Only from this topic, with or without the prefix, such as commands.payment.",
        show_default=False,
    ),
]
Reasons = Annotated[
    list[DeadLetterReason] | None,
    typer.Option(
        "--reason",
        help="Only with this reason; may be given several times.",
        show_default=False,
    ),
]
Order = Annotated[
    str | None,
    typer.Option(
        help="Only about this order number, where it can be read.", show_default=False
    ),
]
Until = Annotated[
    str | None,
    typer.Option(help="Only before this time: an age or a time.", show_default=False),
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object a line, for programs.")]


def sought_of(
    settings: KafkaSettings,
    topic: str | None,
    reasons: list[DeadLetterReason] | None,
    order: str | None,
    since: str | None,
    until: str | None,
) -> Sought:
    """Read the options that say which letters are wanted; CommandError."""
    now = SystemClock().now()
    prefix = settings.kafka_topic_prefix
    full = topic if topic is None or topic.startswith(prefix) else prefix + topic
    return Sought(
        topic=full,
        reasons=frozenset(reason.value for reason in reasons or ()),
        order=order,
        since=None if since is None else moment_of(since, "--since", now),
        until=None if until is None else moment_of(until, "--until", now),
    )
