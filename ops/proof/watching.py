"""Watches a run from outside as a subscriber does, and keeps no more than it needs to know how far it is."""

import time
from collections import Counter
from contextlib import closing
from decimal import Decimal
from typing import Any, Final, Self

from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from ops.proof.frames import Schemas
from ops.proof.operator_hand import TOPIC as RESOLUTIONS
from ops.proof.orders import OPEN
from ops.proof.reading import money
from ops.proof.worker_log import Partition
from ops.sandbox.following import BALANCE_CHANGES, CONSUMED, RESULTS

_FOLLOWED: Final = (*CONSUMED, "internal.status-checks", RESOLUTIONS)
"""All that a worker reads: a check or a decision that is never completed is a record lost, too."""
_CATCH_UP_SECONDS_MAX: Final = 60.0
_POLL_MILLISECONDS: Final = 50


class Watcher:
    """A subscriber to the results, and to what the group reads, by its positions only."""

    def __init__(self, kafka: str, prefix: str, group: str) -> None:
        """Read from the beginning of all topics, which exist."""
        self._kafka, self._group, self._results = kafka, group, f"{prefix}{RESULTS}"
        self._balance_changes = f"{prefix}{BALANCE_CHANGES}"
        self._schemas = Schemas()
        self._consumer = KafkaConsumer(
            bootstrap_servers=kafka,
            group_id=None,
            enable_auto_commit=False,
            isolation_level="read_committed",
            auto_offset_reset="none",
        )
        topics = [f"{prefix}{name}" for name in (*_FOLLOWED, RESULTS, BALANCE_CHANGES)]
        partitions = [
            TopicPartition(topic, number)
            for topic in topics
            for number in self._consumer.partitions_for_topic(topic) or ()
        ]
        self._last: dict[TopicPartition, int] = {}
        self._answered: set[str] = set()
        self.open_since: dict[str, float] = {}
        """The orders that are PENDING or IN_DOUBT, and when they were seen to be."""
        self.once_open = 0
        """How many orders were ever so."""
        self.settled_by: Counter[str] = Counter()
        """Who decided those that are so no more."""
        self.balances: dict[tuple[str, ...], dict[str, Decimal]] = {}
        """What each card holds, as its last balance change says."""
        self.news_at = time.monotonic()
        """When something came last."""
        self._consumer.assign(partitions)
        self._consumer.seek_to_beginning()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._consumer.close()

    @property
    def answered(self) -> int:
        """How many order numbers have a result."""
        return len(self._answered)

    def unanswered(self, orders: set[str]) -> set[str]:
        """Return those of these orders that have no result yet."""
        return orders - self._answered

    def read(self) -> None:
        """Take in what was committed since the last time; wait a moment if there is nothing."""
        polled = self._consumer.poll(timeout_ms=_POLL_MILLISECONDS)
        for partition, records in polled.items():
            self.news_at = time.monotonic()
            if partition.topic == self._results:
                for record in records:
                    self._note(self._schemas.decode(record.value)[1])
            elif partition.topic == self._balance_changes:
                for record in records:
                    self._note_balances(self._schemas.decode(record.value)[1])
            else:
                self._last[partition] = records[-1].offset

    def _note(self, result: dict[str, Any]) -> None:
        order = result["tranOrderNo"]
        self._answered.add(order)
        if result["status"] in OPEN:
            self.once_open += order not in self.open_since
            self.open_since.setdefault(order, time.monotonic())
        elif self.open_since.pop(order, None) is not None:
            self.settled_by[result["decidedBy"]] += 1

    def _note_balances(self, event: dict[str, Any]) -> None:
        card = tuple(event[name] for name in ("clientId", "loyaltyChannel", "accountId"))
        self.balances[card] = {
            held["valueCode"]: money(held["amount"]) for held in event["balances"]
        }

    def is_complete(self) -> bool:
        """Whether the group has completed every record, as its offsets say, and we have read what came of it."""
        # In this order: a record that is complete by now has its follow-up before our next read.
        try:
            with closing(KafkaAdminClient(bootstrap_servers=self._kafka)) as admin:
                committed = admin.list_group_offsets(self._group)[self._group]
            self._catch_up()
        except KafkaError:  # who cannot be asked has not said yes
            return False
        return all(
            partition in committed and committed[partition].offset > last
            for partition, last in self._last.items()
        )

    def _catch_up(self) -> None:
        """Read on to where the topics end now; gaps of markers move the position too."""
        ends = self._consumer.end_offsets(list(self._consumer.assignment()))
        deadline = time.monotonic() + _CATCH_UP_SECONDS_MAX
        while any(self._consumer.position(p) < end for p, end in ends.items()):
            assert time.monotonic() < deadline, "the topics could not be read to their ends"
            self.read()

    def shares(self) -> dict[str, set[Partition]]:
        """Return the partitions that the group has given to each instance; none while it rebalances."""
        try:
            with closing(KafkaAdminClient(bootstrap_servers=self._kafka)) as admin:
                described = admin.describe_groups([self._group])[self._group]
        except KafkaError:
            return {}
        if described["group_state"] != "Stable":
            return {}
        return {
            member["group_instance_id"]: {
                (topic["topic"], number)
                for topic in member["member_assignment"]["assigned_partitions"]
                for number in topic["partitions"]
            }
            for member in described["members"]
        }
