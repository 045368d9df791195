"""A worker that is killed and a broker that goes away, on a real Kafka: nothing is lost or done twice."""

import asyncio
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from ops.sandbox.kafka import SandboxKafka, create_kafka
from tests.integration.kafka.members import MakeMember, Place, until
from tests.integration.kafka.operator import Operator

pytestmark = pytest.mark.integration


@contextmanager
def worker_process(
    place: Place, call: str, when: str, which: str = "all"
) -> "Iterator[subprocess.Popen[str]]":
    """Run a member in a process of its own, until it reaches a call; kill it at the end.

    It answers all records, or only the odd ones.
    """
    arguments = [
        *place.connection.bootstrap_servers,
        place.group.removesuffix("group"),
        *("a", call, when, which),
    ]
    process = subprocess.Popen(  # noqa: S603 no foreign words
        [sys.executable, "-m", "tests.integration.kafka.echo_worker", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        try:
            assert any("reached" in line for line in iter(process.stdout.readline, ""))
            yield process
        finally:
            process.kill()


def go_on(process: "subprocess.Popen[str]") -> None:
    """Let a worker do the call that it has reached."""
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


@pytest.mark.parametrize(
    ("call", "when"),
    [
        ("send_offsets_to_transaction", "before"),
        ("commit_transaction", "before"),
        ("commit_transaction", "after"),
    ],
)
async def test_a_worker_that_is_killed_in_a_kafka_transaction_goes_on_after_a_restart(
    operator: Operator, place: Place, member: MakeMember, call: str, when: str
) -> None:
    """P2, P3, P12: with the same ids it ends what it left open, at once, and repeats nothing."""
    operator.send(place, [b"0", b"1"])
    operator.send(place, [b"10"], partition=1)
    with worker_process(place, call, when):
        pass
    operator.send(place, [b"2"])
    worker = member()
    left = 1 if when == "after" else 4
    await until(lambda: worker.settled() == [True] * left)
    await until(lambda: operator.committed(place) == {0: 3, 1: 1})
    await until(lambda: len(operator.results(place)) >= 4)
    assert Counter(operator.results(place)) == Counter([b"0", b"1", b"2", b"10"])


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_worker_that_is_killed_with_work_open_leaves_what_is_to_be_skipped(
    operator: Operator, place: Place, member: MakeMember, when: str
) -> None:
    """P2, P3: the next one does what the map says is incomplete, and nothing else."""
    commands = [b"%d" % number for number in range(10)]
    operator.send(place, commands)
    with worker_process(place, "commit_transaction", when, "odd"):
        pass
    worker = member()
    await until(lambda: operator.committed(place) == {0: 10})
    await until(lambda: len(operator.results(place)) >= 10)
    assert Counter(operator.results(place)) == Counter(commands)
    again = set(worker.application.values())
    assert {b"0", b"2", b"4", b"6", b"8"} <= again
    assert (b"1" in again) is (when == "before")


@pytest.fixture
def own_kafka() -> Iterator[SandboxKafka]:
    """Return a Kafka that may be stopped: other tests use another one.

    No client of this process may be open while it is: kafka-python leaves each socket whose
    connection was refused to the garbage collector, which complains in some later test.
    """
    kafka = create_kafka()
    try:
        kafka.start()
        yield kafka
    finally:
        kafka.close()


async def test_a_broker_that_restarts_costs_neither_a_command_nor_the_worker(
    own_kafka: SandboxKafka,
) -> None:
    """P8: in the middle of a Kafka transaction (T11), and while the worker is idle."""
    with closing(Operator(own_kafka.bootstrap_servers)) as operator:
        place = operator.new_place(partitions=2)
        operator.send(place, [b"0"])
    with worker_process(place, "commit_transaction", "before") as process:
        await asyncio.to_thread(own_kafka.stop)
        go_on(process)
        await asyncio.to_thread(own_kafka.start)
        with closing(Operator(own_kafka.bootstrap_servers)) as operator:
            await until(lambda: operator.results(place) == [b"0"])
        await asyncio.to_thread(own_kafka.stop)
        await asyncio.to_thread(own_kafka.start)
        with closing(Operator(own_kafka.bootstrap_servers)) as operator:
            operator.send(place, [b"1"])
            await until(lambda: operator.results(place) == [b"0", b"1"])
        assert process.poll() is None
