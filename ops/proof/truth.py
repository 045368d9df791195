"""The truth about orders: what is told of one is what it asked for, and what PayWizard's book says."""

from collections.abc import Iterator

from ops.proof.history import BookOrder, Command, Finding, Result
from ops.proof.orders import NAME_AN_ORIGINAL, Trail

MOVES_VALUE = NAME_AN_ORIGINAL | {"PAYMENT", "RELOAD", "ISSUE_POINTS", "REDEEM_POINTS"}


def truth_findings(trail: Trail, entry: BookOrder) -> Iterator[Finding]:
    """Compare what is published of one order with its command and with PayWizard's book."""
    latest, executed = trail.latest, trail.executed
    if latest is None or not trail.firsts or not trail.commands:
        return
    if latest.operation in MOVES_VALUE and latest.status == "SUCCEEDED":
        yield from _succeeded(trail, latest, entry)
    if latest.operation in MOVES_VALUE and latest.status in {"DECLINED", "NOT_EXECUTED"}:
        yield from _without_effect(trail, latest, entry)
    if latest is not trail.firsts[0]:
        yield from _steady(trail, trail.firsts[0], latest)
    if executed is not None:
        yield from _told_as_commanded(trail, latest, executed)
        yield from _done_as_commanded(trail, latest, executed, entry)


def _without_effect(trail: Trail, latest: Result, entry: BookOrder) -> Iterator[Finding]:
    """DECLINED is what PayWizard had and did not carry out; NOT_EXECUTED is what it never had."""
    booked = ""
    if entry.effects:
        booked = "it has an effect"
    elif latest.status == "DECLINED" and not entry.checkout_ids:
        booked = "it was never executed, so nobody can have declined it"
    elif latest.status == "NOT_EXECUTED" and entry.checkout_ids:
        booked = f"it was executed, and is {entry.truth or 'pending'}"
    elif (
        latest.status == "NOT_EXECUTED"
        and latest.decided_by == "WORKER"
        and entry.requests > entry.throttled
    ):
        booked = "it was asked for, and nobody but PayWizard can refuse that"
    if booked:
        yield trail.finding(
            "truth",
            f"was published as {latest.status} (decided by {latest.decided_by}), but in PayWizard's book {booked}.",
        )


def _succeeded(trail: Trail, latest: Result, entry: BookOrder) -> Iterator[Finding]:
    if not entry.effects:
        yield trail.finding(
            "truth",
            "was published as SUCCEEDED without effect: in PayWizard's book nothing moved.",
        )
    elif latest.checkout_id is None and _is_known_without_id(latest):
        return
    elif latest.checkout_id not in entry.checkout_ids:
        yield trail.finding(
            "truth",
            f"was published with the checkoutId {latest.checkout_id or 'missing'}; PayWizard's book has "
            f"{', '.join(entry.checkout_ids) or 'none'}.",
        )


def _is_known_without_id(latest: Result) -> bool:
    """A void shows at its original, and an operator may have no id: then no answer ever named one."""
    by_its_original = latest.decided_by == "STATUS_QUERY" and latest.operation == "VOID"
    return by_its_original or latest.decided_by == "OPERATOR"


def _steady(trail: Trail, first: Result, final: Result) -> Iterator[Finding]:
    """What an open outcome said of its order is no other when the order has ended."""
    # What a worker has from an answer that it does not believe, it does not have to stand by.
    named = None if first.decided_by == "WORKER" else first.checkout_id
    for name, before, after in (
        ("operation", first.operation, final.operation),
        ("card", first.card, final.card),
        ("amount", first.amount, final.amount),
        ("currency", first.currency, final.currency),
        ("points", first.points, final.points),
        ("checkoutId", named, named and final.checkout_id),
    ):
        if before != after:
            yield trail.finding(
                "truth", f"was told with one {name} first, and another one at its end."
            )


def _told_as_commanded(trail: Trail, latest: Result, executed: Command) -> Iterator[Finding]:
    """The result repeats what was asked for."""
    if latest.operation != executed.operation:
        yield trail.finding(
            "truth", f"is a {executed.operation}, but its result calls it {latest.operation}."
        )
    for name, asked, told in (
        ("amount", executed.amount, latest.amount),
        ("currency", executed.currency, latest.currency),
        ("points", executed.points, latest.points),
    ):
        if asked is not None and asked != told:
            yield trail.finding(
                "truth", f"asked for {name} {asked}, but its result says {told}."
            )
    if _is_refused_for_its_original(latest):
        return
    answered = latest.card.account_id if latest.card else None
    if executed.account_id and answered and executed.account_id != answered:
        yield trail.finding("truth", "has a result that names another card than its command.")


def _is_refused_for_its_original(latest: Result) -> bool:
    """The result of a void or tip names its original's card: naming another one is why it was refused."""
    return latest.operation in NAME_AN_ORIGINAL and latest.status == "NOT_EXECUTED"


def _done_as_commanded(
    trail: Trail, latest: Result, executed: Command, entry: BookOrder
) -> Iterator[Finding]:
    """Where both name a thing, PayWizard did what the executed command asked for."""
    if not entry.effects:
        return
    for name, asked, moved in (
        ("operation", executed.operation, entry.operation),
        ("amount", executed.amount, entry.amount),
        ("currency", executed.currency, entry.currency),
        ("points", executed.points, entry.points),
        (
            "loyalty channel",
            latest.card.loyalty_channel if latest.card else None,
            entry.loyalty_channel,
        ),
    ):
        if asked is not None and moved is not None and asked != moved:
            yield trail.finding(
                "truth", f"asked for {name} {asked}, but PayWizard booked {moved}."
            )
    if executed.account_id and entry.account_id and executed.account_id != entry.account_id:
        yield trail.finding("truth", "was executed on another card than its command names.")
