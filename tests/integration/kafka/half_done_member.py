"""A member in a process of its own that ends the moment it is to give partitions up: `half_done_member BOOTSTRAP GROUP TOPIC NAME`."""

import os
import sys
from collections.abc import Collection

from kafka import ConsumerRebalanceListener, KafkaConsumer, TopicPartition
from typing_extensions import override

from tests.integration.kafka.members import SESSION_TIMEOUT_SECONDS
from worker.adapters.kafka.clients import make_consumer
from worker.adapters.kafka.connection import KafkaConnection


class EndsOnRevoke(ConsumerRebalanceListener):  # type: ignore[misc]  # kafka-python ships no types
    """Ends the process between the assignment that takes partitions away and the rebalance that gives them on."""

    def __init__(self, consumer: KafkaConsumer) -> None:
        self._consumer = consumer

    @override
    def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        for partition in assigned:  # nothing was committed yet that it could begin at
            self._consumer.pause(partition)
            self._consumer.seek(partition, 0)
        print("assigned", flush=True)  # noqa: T201 - what the parent waits for

    @override
    def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        if revoked:
            os._exit(0)

    @override
    def on_partitions_lost(self, lost: Collection[TopicPartition]) -> None:
        os._exit(1)


def main(bootstrap_servers: str, group: str, topic: str, name: str) -> None:
    """Be a member until something is taken away."""
    connection = KafkaConnection(bootstrap_servers=(bootstrap_servers,))
    consumer = make_consumer(connection, group, name, SESSION_TIMEOUT_SECONDS)
    consumer.subscribe([topic], listener=EndsOnRevoke(consumer))
    while True:
        consumer.poll(timeout_ms=200)


if __name__ == "__main__":
    main(*sys.argv[1:])
