"""A place of its own for each test, members that are always stopped, and an operator's view.

kafka-python is imported in the fixtures only: a conftest may be read before warnings are filtered.
"""

from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from ops.sandbox.kafka import SandboxKafka
    from tests.integration.kafka.members import MakeMember, Place
    from tests.integration.kafka.operator import Operator


@pytest.fixture(scope="session")
def operator(kafka: "SandboxKafka") -> "Iterator[Operator]":
    """Return who creates topics, sends commands and reads what came of them."""
    from tests.integration.kafka.operator import Operator

    operator = Operator(kafka.bootstrap_servers)
    yield operator
    operator.close()


@pytest.fixture
def place(operator: "Operator") -> "Place":
    """Return two partitions of commands, and a group that never was."""
    return operator.new_place(partitions=2)


@pytest.fixture
async def member(place: "Place") -> "AsyncIterator[MakeMember]":
    """Return what starts a member, in the test's place if not told otherwise.

    All are stopped at the end; none may have failed unless the test asked for its `failure()`.
    """
    from tests.integration.kafka.members import Member

    members: list[Member] = []

    def start(name: str = "a", **options: Any) -> Member:
        members.append(Member(options.pop("place", place), name, **options).start())
        return members[-1]

    yield start
    for each in members:
        await each.stop()
    assert [each.bridge.failed for each in members if each.failed_unasked()] == []
