"""Measures how fast the checker reads a topic: N committed records of a real broker, undecoded.

Run it with `python -m ops.bench.bench_reading [N]`; a broker is started unless KAFKA_BOOTSTRAP_SERVERS names one.
"""

import sys
import tempfile
import time
import uuid
from contextlib import ExitStack, closing
from itertools import cycle
from pathlib import Path

from kafka import KafkaAdminClient, KafkaProducer
from kafka.admin import NewTopic

from ops.bench.checker_history import PARTITIONS, RESULTS, records_in, write_part
from ops.proof.topics import reading_consumer, records
from ops.sandbox.kafka.start import start_kafka

RECORDS = 300_000
RECORDS_PER_TRANSACTION = 1000
ORDERS = 5000


def main() -> None:
    """Fill a topic with results and read it."""
    wanted = int(sys.argv[1]) if len(sys.argv) > 1 else RECORDS
    with ExitStack() as stack:
        folder = Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="paywizard-bench-"))
        )
        write_part(folder, 0, ORDERS)
        kafka = stack.enter_context(start_kafka()).bootstrap_servers
        topic = f"bench-{uuid.uuid4().hex[:8]}"
        admin = stack.enter_context(closing(KafkaAdminClient(bootstrap_servers=kafka)))
        admin.create_topics([NewTopic(topic, PARTITIONS, 1)])
        stack.callback(admin.delete_topics, [topic])
        _fill(kafka, topic, folder, wanted)
        _read(kafka, topic)


def _fill(kafka: str, topic: str, folder: Path, wanted: int) -> None:
    began = time.perf_counter()
    producer = KafkaProducer(bootstrap_servers=kafka, transactional_id=topic, linger_ms=20)
    with closing(producer):
        producer.init_transactions()
        told = cycle(list(records_in(folder, RESULTS)))
        for first in range(0, wanted, RECORDS_PER_TRANSACTION):
            producer.begin_transaction()
            for _ in range(min(RECORDS_PER_TRANSACTION, wanted - first)):
                record = next(told)
                producer.send(
                    topic, key=record.key, value=record.value, partition=record.place.partition
                )
            producer.commit_transaction()
    print(f"{wanted:,} records written in {time.perf_counter() - began:.0f} s", flush=True)


def _read(kafka: str, topic: str) -> None:
    began, used = time.perf_counter(), time.process_time()
    with closing(reading_consumer(kafka)) as consumer:
        count = sum(1 for _ in records(consumer, topic))
    took, cpu = time.perf_counter() - began, time.process_time() - used
    print(
        f"{count:,} records read in {took:.1f} s ({cpu:.1f} s CPU): {count / took:,.0f} records/s"
    )


if __name__ == "__main__":
    main()
