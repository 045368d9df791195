"""The promises about an operator's decisions: each is carried out, or refused by one dead letter (P2, P3)."""

from collections import defaultdict
from collections.abc import Iterable, Iterator

from ops.proof.history import Finding, Order, Resolution
from ops.proof.orders import FINAL, Letters, Trail


class Resolutions:
    """Compares what operators decided with what became of it."""

    def __init__(self, sent: Iterable[Resolution], letters: Letters) -> None:
        self._letters = letters
        self._undecoded: list[Resolution] = []
        self._accepted: dict[Order, list[Resolution]] = defaultdict(list)
        for each in sent:
            if each.order is None:
                self._undecoded.append(each)
            elif each.record.place not in letters:
                self._accepted[each.order].append(each)

    def undecoded(self) -> Iterator[Finding]:
        """P3: what nobody can read is kept as a dead letter."""
        for each in self._undecoded:
            if each.record.place not in self._letters:
                yield Finding(
                    promise="P3",
                    subject=f"record {each.record.place}",
                    sentence=f"The resolution at {each.record.place} does not decode, and has no dead letter: it is lost.",
                    records=(each.record.place,),
                )

    def findings(self, trail: Trail) -> Iterator[Finding]:
        """Check one order: its end is an accepted decision's, and every accepted decision is its end."""
        latest, accepted = trail.latest, self._accepted.get(trail.order, ())
        if latest is None or latest.status not in FINAL:
            return
        if not accepted and latest.decided_by != "OPERATOR":
            return
        by_operator = latest.decided_by == "OPERATOR" and bool(trail.finals)
        agreeing = [each for each in accepted if each.outcome == latest.status]
        if by_operator and not agreeing:
            yield trail.finding(
                "P4",
                f"was ended as {latest.status} by an operator, but no operator decided that of it.",
            )
        for each in accepted:
            if each.outcome != latest.status:
                yield trail.finding(
                    "P2",
                    f"is {latest.status}, but the resolution at {each.record.place} says {each.outcome}: it is lost, for "
                    "it has no dead letter either.",
                )
        named = {each.checkout_id for each in agreeing} - {None}
        if by_operator and named and latest.checkout_id is None:
            yield trail.finding(
                "truth", "has no checkoutId, though the operator who ended it gave one."
            )
