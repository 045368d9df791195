"""What upstream writes is the seed's, of all kinds, with its mistakes counted."""

import random
from collections import Counter, defaultdict

from ops.proof.frames import Schemas
from ops.proof.stage import world_for
from ops.proof.upstream import Record, Upstream

ORDERS = 2000


def written(seed: int) -> tuple[Upstream, list[Record]]:
    """Write all orders of a run."""
    upstream = Upstream(cards=world_for(ORDERS).cards, partitions=4, chance=random.Random(seed))
    return upstream, [record for _ in range(ORDERS) for record in upstream.next()]


def test_one_seed_writes_one_run() -> None:
    """The same orders come in the same sequence, to the same places."""
    once, again = written(1)[1], written(1)[1]
    assert [(s.order, s.what, p) for s, p in once] == [(s.order, s.what, p) for s, p in again]


def test_all_that_moves_something_is_written() -> None:
    """Payments, reloads, points, tips and voids: each operation that PayWizard counts by number."""
    whats = {sending.what for sending, _ in written(2)[1]}
    assert whats == {"PAYMENT", "RELOAD", "ISSUE_POINTS", "REDEEM_POINTS", "TIP", "VOID"}


def test_mistakes_are_as_many_as_are_counted() -> None:
    """Copies are the very bytes that were sent before; reuses say something else under the number."""
    upstream, records = written(3)
    first: dict[str | None, bytes | None] = {}
    seen: Counter[str] = Counter()
    for sending, partition in records:
        if sending.order not in first:
            first[sending.order] = sending.value
            continue
        is_copy = sending.value == first[sending.order]
        assert is_copy == (partition is not None), "only copies may lie elsewhere"
        seen["copy" if is_copy else "reuse"] += 1
    assert len(first) == ORDERS
    assert seen == Counter(copy=upstream.copies, reuse=upstream.reuses)
    assert min(seen.values()) > 0


def test_some_originals_are_voided_or_tipped_again_and_none_is_both() -> None:
    """The second of a kind must not move money; what a void gives back of a tipped payment is unknown."""
    schemas, kinds = Schemas(), defaultdict[str, Counter[str]](Counter)
    for sending, partition in written(4)[1]:
        if partition is None and sending.what in {"VOID", "TIP"}:
            original = schemas.decode(sending.value)[1]["originalTranOrderNo"]
            kinds[original][sending.what] += 1
    assert {len(each) for each in kinds.values()} == {1}
    again = Counter(
        what for each in kinds.values() for what, count in each.items() if count > 1
    )
    assert min(again["VOID"], again["TIP"]) > 5
