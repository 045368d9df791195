"""`python -m ops.proof.naive`: `paywizard-worker run`, with the textbook's Kafka loop."""

import sys
from collections.abc import Callable
from functools import partial

from ops.proof.naive.clients import make_consumer, make_producer
from ops.proof.naive.handover import Handover
from ops.proof.naive.loop import TextbookLoop
from worker import cli
from worker.adapters.kafka.connection import KafkaConnection
from worker.bootstrap import running
from worker.bootstrap.assembly import Surroundings, output_topics, topic_kinds
from worker.domain.commit_note import CommitNote


def kafka_threads(
    around: Surroundings,
    connection: KafkaConnection,
    _check_note: Callable[[CommitNote], None],
    handover: Handover,
) -> tuple[TextbookLoop, TextbookLoop]:
    """Build the loop, and give it for both of the worker's threads."""
    settings = around.settings
    loop = TextbookLoop(
        partial(make_consumer, settings, connection),
        partial(make_producer, settings, connection),
        topic_kinds(settings),
        output_topics(settings),
        handover,
        around.heartbeats,
    )
    return loop, loop


def main() -> None:
    """Run the worker's command line with these two parts in the place of its own; `run` if none."""
    # Not a setting of the worker: nothing that is configured may ever choose this.
    parts = {"Bridge": Handover, "kafka_threads": kafka_threads}
    assert parts.keys() <= vars(running).keys(), "the worker is put together in another way"
    vars(running).update(parts)
    cli.main(sys.argv[1:] or ["run"])


if __name__ == "__main__":
    main()
