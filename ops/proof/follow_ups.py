"""The promise about what names an original: it is not sent before its original is decided (P6)."""

from array import array
from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from ops.proof.history import Finding, Order, Place
from ops.proof.orders import Trail


class _Sent(NamedTuple):
    order: Order
    original: Order
    submitted_at: datetime
    records: tuple[Place, ...]


class FollowUps:
    """Notes every order, and compares when follow-ups were sent with when their originals had succeeded.

    An original may be looked at long before or after what names it, so a time is kept of each order
    that succeeded: sixteen bytes, because there are a million. That two of them have the same hash
    of 64 bits does not happen.
    """

    def __init__(self) -> None:
        self._sent: list[_Sent] = []
        self._succeeded: array[int] = array("q")
        self._decided_at: array[float] = array("d")

    def note(self, trail: Trail) -> None:
        """Keep what may matter of one order; nothing can be said of one that names no original by its number."""
        for result in (*trail.firsts, *trail.finals):
            if result.status == "SUCCEEDED" and result.decided_at:
                self._succeeded.append(hash(trail.order))
                self._decided_at.append(result.decided_at.timestamp())
        executed = trail.executed
        if executed is None or executed.original is None:
            return
        first = trail.firsts[0]
        if first.submitted_at:
            original = Order(trail.order.client_id, executed.original)
            records = (executed.place, first.place)
            self._sent.append(_Sent(trail.order, original, first.submitted_at, records))

    def findings(self) -> Iterator[Finding]:
        """Check what was noted; an original that nobody was told of may still have succeeded in time."""
        decided_at = self._when_originals_succeeded()
        for sent in self._sent:
            if sent.submitted_at.timestamp() < decided_at.get(hash(sent.original), 0.0):
                yield Finding(
                    promise="P6",
                    subject=str(sent.order),
                    sentence=f"The {sent.order} did not wait for the {sent.original}, which it names. "
                    "Compare its submittedAt with the decidedAt of that one.",
                    records=sent.records,
                )

    def _when_originals_succeeded(self) -> dict[int, float]:
        named = {hash(sent.original) for sent in self._sent}
        return {
            order: decided_at
            for order, decided_at in zip(self._succeeded, self._decided_at, strict=True)
            if order in named
        }
