"""`topics create`: the topics that commands, outcomes and internal records need."""

from typing import Annotated, Final

import typer
from rich.table import Table

from worker.adapters.kafka.admin import (
    TopicPlan,
    TopicSizes,
    create_topics,
    describe_topics,
    differences,
    planned_topics,
)
from worker.cli.columns import table_console
from worker.cli.exits import kafka_settings

USUAL: Final = TopicSizes()

app = typer.Typer(no_args_is_help=True, help="Look after the topics.")


@app.callback()
def _topics() -> None:
    """Look after the topics."""


@app.command()
def create(
    partitions: Annotated[
        int, typer.Option(min=1, max=10_000, help="Partitions of each topic.")
    ] = USUAL.partitions,
    dead_letter_partitions: Annotated[
        int, typer.Option(min=1, max=10_000, help="Partitions of the dead letters.")
    ] = USUAL.dead_letter_partitions,
    replication_factor: Annotated[
        int, typer.Option(min=1, max=100, help="Copies of each partition; 1 on one broker.")
    ] = USUAL.replication_factor,
    min_isr: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=100,
            help="Copies that must have a record before it counts; by default one less than "
            "the replication factor, at most 2.",
        ),
    ] = None,
) -> None:
    """Create the topics that are missing, each with its own retention.

    Safe to repeat: a topic that exists stays as it is, and what differs is named. Needs the
    `KAFKA_` settings only.

    Example, on one broker: `paywizard-worker topics create --replication-factor 1`
    """
    sizes = TopicSizes(
        partitions=partitions,
        dead_letter_partitions=dead_letter_partitions,
        replication_factor=replication_factor,
        min_isr=min_isr or min(2, max(1, replication_factor - 1)),
    )
    settings, connection = kafka_settings()
    plans = planned_topics(settings.kafka_topic_prefix, settings.command_topics(), sizes)
    created = create_topics(connection, plans)
    found = describe_topics(connection, [plan.name for plan in plans])
    _print(
        [
            (plan, plan.name in created, differences(plan, found[plan.name]))
            for plan in plans
            if plan.name in found
        ]
    )


def _print(rows: list[tuple[TopicPlan, bool, tuple[str, ...]]]) -> None:
    table = Table("topic", "state", "differs from the plan")
    for plan, is_new, differing in rows:
        table.add_row(
            plan.name, "created" if is_new else "exists", "\n".join(differing) or "no"
        )
    table_console().print(table)
