"""Breaks of what ties Kafka's progress to the ledger, so that nothing is lost (P2, P3, P9)."""

from collections.abc import Sequence
from typing import Final

from tests.mutants.mutant import Mutant
from tests.mutants.suites import Suite

TRANSACTIONS: Final[Sequence[Mutant]] = (
    Mutant(
        name="offsets outside the Kafka transaction",
        promise="P2",
        why="A crash between the two commits publishes an outcome again.",
        file="worker/adapters/kafka/hardened.py",
        old="""\
        if offsets:
            producer.send_offsets_to_transaction(dict(offsets), group)
        stage = "commit"
        producer.commit_transaction()
""",
        new="""\
        stage = "commit"
        producer.commit_transaction()
        if offsets:
            producer.begin_transaction()
            producer.send_offsets_to_transaction(dict(offsets), group)
            producer.commit_transaction()
""",
        suite=Suite.KAFKA,
    ),
    Mutant(
        name="commit without its barrier",
        promise="P3",
        why="The offsets are committed although a result never reached the broker.",
        file="worker/adapters/kafka/hardened.py",
        old="            future.get(timeout=max(0.0, end - monotonic_seconds()))\n",
        new="            pass\n",
        suite=Suite.KAFKA,
    ),
    Mutant(
        name="outputs of a partition that was lost meanwhile",
        promise="P2",
        why="The new owner publishes the same record's outcome, too.",
        file="worker/adapters/kafka/producer.py",
        old="        if not all(completion.is_held(membership) for completion in held):\n",
        new="        if not held:\n",
        suite=Suite.KAFKA,
    ),
    Mutant(
        name="group metadata taken at the commit",
        promise="P2",
        why="A partition is lost after it was looked for, and the newer generation lets it pass.",
        file="worker/adapters/kafka/producer.py",
        old="        return membership.group\n",
        new="        return self._bridge.membership.group\n",
        suite=Suite.KAFKA,
    ),
    Mutant(
        name="unjoined group metadata",
        promise="P2",
        why="The broker does not fence what carries no generation.",
        file="worker/adapters/kafka/producer.py",
        old="        if not stable(membership.group):\n",
        new="        if membership.group is None:\n",
        suite=Suite.KAFKA,
    ),
    Mutant(
        name="rewind without a new tenure",
        promise="P3",
        why="After an unproven commit later offsets pass over what it may not have published.",
        file="worker/adapters/kafka/producer.py",
        old="        self._bridge.end_all_tenures()\n",
        new="",
        suite=Suite.KAFKA,
    ),
    Mutant(
        name="an expelled member claims what it has lost",
        promise="P8",
        why="Partitions stay nobody's in a stable group.",
        file="worker/adapters/kafka/hardened.py",
        old="            assignor.member_assignment = held\n",
        new="            pass\n",
        suite=Suite.KAFKA,
    ),
    Mutant(
        name="a leader leaves partitions out for good",
        promise="P8",
        why="The same, in ways that nobody has thought of.",
        file="worker/adapters/kafka/consumer.py",
        old="if (partitions := left_out(consumer)) > 0:",
        new="if (partitions := left_out(consumer)) < 0:",
        suite=Suite.KAFKA,
    ),
)

TENURES: Final[Sequence[Mutant]] = (
    Mutant(
        name="a revoked partition is still published",
        promise="P2",
        why="Two workers publish the outcome of one record.",
        file="worker/adapters/kafka/consumer.py",
        old="        self._bridge.end_tenures(partitions)\n",
        new="",
        suite=Suite.KAFKA,
    ),
    Mutant(
        name="a returned partition goes on",
        promise="P2",
        why="What was read before it was away is published, as somebody else did meanwhile.",
        file="worker/adapters/kafka/bridge.py",
        old="return self.tenures.get(partition) == tenure",
        new="return partition in self.tenures",
        suite=Suite.SEEDS,
    ),
    Mutant(
        name="an expelled member goes on",
        promise="P2",
        why="The group had given its partitions away, and nobody told it.",
        file="worker/adapters/kafka/consumer.py",
        old="        if group.member_id and group.member_id != self._member_id:\n",
        new="        if not self._member_id and group.member_id:\n",
        suite=Suite.KAFKA,
    ),
    Mutant(
        name="offset map ignored after a restart",
        promise="P2",
        why="What is complete above the committed offset is read and published again.",
        file="worker/adapters/kafka/consumer.py",
        old="OffsetMap.resume(found.offset, note.offset_map, note.since)",
        new='OffsetMap.resume(found.offset, "", note.since)',
        suite=Suite.KAFKA,
    ),
    Mutant(
        name="committed past open work",
        promise="P3",
        why="After a crash nobody reads the record that was still being executed.",
        file="worker/domain/offset_map.py",
        old="return min(self._incomplete, default=self._end)",
        new="return self._end",
        suite=Suite.SEEDS,
    ),
    Mutant(
        name="marked before the commit is proven",
        promise="P3",
        why="An outcome that nobody saw is remembered as published, and never comes again.",
        file="worker/application/dispatch.py",
        old="        if not committed:\n            return\n",
        new="",
        suite=Suite.SEEDS,
    ),
)

LEDGERS: Final[Sequence[Mutant]] = (
    Mutant(
        name="an older copy of the ledger is accepted",
        promise="P9",
        why="What the copy has forgotten is executed a second time.",
        file="worker/domain/identity.py",
        old="if counters.get(note.owner, -1) < note.counter:",
        new="if note.owner not in counters:",
        suite=Suite.LEDGER,
    ),
    Mutant(
        name="another ledger is accepted",
        promise="P9",
        why="It knows none of the group's orders, and would execute them all.",
        file="worker/domain/identity.py",
        old="if note.ledger_id != ledger_id:",
        new="if not note.ledger_id:",
        suite=Suite.LEDGER,
    ),
    Mutant(
        name="notes are not looked at when a partition is gained",
        promise="P9",
        why="A ledger that was restored under a running group goes unnoticed.",
        file="worker/adapters/kafka/consumer.py",
        old="        self._check_note(note)\n",
        new="",
        suite=Suite.KAFKA,
    ),
    Mutant(
        name="a ledger that was adopted knows everything",
        promise="P9",
        why="An order that the lost ledger had executed is new to its copy, and executed again.",
        file="worker/application/process_command.py",
        old="        if not self._may_be_executed(work):\n            return entry\n",
        new="        if work is not None:\n            return entry\n",
        suite=Suite.APPLICATION,
    ),
)
