"""A small run that keeps every promise, with a little of everything, for tests to doctor."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal

from ops.proof.history import (
    BalanceChange,
    Book,
    BookOrder,
    Card,
    Change,
    Command,
    DeadLetter,
    Headers,
    History,
    Order,
    Place,
    Resolution,
    Result,
    digest,
    event_id,
)

if TYPE_CHECKING:  # a conftest imports this module, and kafka-python can be imported only later
    from ops.proof.checker import Verdict

CLIENT = "100000000000000001"
NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
GARBAGE = Place("paywizard.commands.payment", 0, 5)
CONFLICT = Place("paywizard.commands.payment", 0, 6)

RICH = Card(CLIENT, "FACTOR4", "600000000000000001")
POOR = Card(CLIENT, "FACTOR4", "600000000000000002")
OPEN = Card(CLIENT, "FACTOR4", "600000000000000003")
IDLE = Card(CLIENT, "FACTOR4", "60000000000000004")


def order(number: str) -> Order:
    """Return the order `number` of the only client."""
    return Order(CLIENT, number)


def second(seconds: float) -> datetime:
    """Return the moment `seconds` after the run's beginning."""
    return NOON + timedelta(seconds=seconds)


class Run:
    """A history under construction; offsets follow from the order of the calls."""

    def __init__(self) -> None:
        self.history = History(book=Book())
        self._ends: dict[tuple[str, int], int] = {}

    def _next(self, topic: str, partition: int = 0) -> Place:
        offset = self._ends.get((topic, partition), 0)
        self._ends[topic, partition] = offset + 1
        return Place(f"paywizard.{topic}", partition, offset)

    def command(
        self, number: str, card: Card = RICH, operation: str = "PAYMENT", **fields: Any
    ) -> Command:
        """Send a command; `value` stands for its content."""
        value: bytes = fields.pop("value", f"{operation} {number}".encode())
        command = Command(
            place=self._next("commands.payment", fields.pop("partition", 0)),
            key_digest=digest(card.account_id.encode()),
            value_digest=digest(value),
            content=digest(value),
            order=order(number),
            operation=operation,
            account_id=card.account_id,
            **fields,
        )
        self.history.commands.append(command)
        return command

    def resolution(
        self, number: str, outcome: str, checkout_id: str | None = None
    ) -> Resolution:
        """Let an operator decide the order `number`."""
        record = Command(
            place=self._next("commands.resolution"),
            key_digest=digest(b"number"),
            value_digest=digest(b"a decision"),
        )
        sent = Resolution(record, order(number), outcome, checkout_id)
        self.history.resolutions.append(sent)
        return sent

    def garbage(self, headers: Headers = ()) -> Command:
        """Send a record that does not decode."""
        command = Command(
            place=self._next("commands.payment"),
            key_digest=digest(b"a key"),
            value_digest=digest(b"garbage"),
            flaw="no Avro frame",
            headers=headers,
        )
        self.history.commands.append(command)
        return command

    def result(
        self,
        command: Command,
        status: str,
        kind: Literal["first", "final"] = "first",
        at: float | None = None,
        **fields: Any,
    ) -> Result:
        """Publish an outcome; `at` is the second of its submission, a reply takes half a second.

        What PayWizard did not say is the worker's own.
        """
        assert command.order is not None
        assert command.account_id is not None
        result = Result(
            place=self._next("outcomes.results"),
            event_id=event_id(command.order, kind),
            order=command.order,
            operation=command.operation,
            status=status,
            source=command.place,
            checkout_id=f"9-{command.order.tran_order_no}" if status == "SUCCEEDED" else None,
            submitted_at=None if at is None else second(at),
            **{
                "card": Card(CLIENT, "FACTOR4", command.account_id),
                "decided_by": "WORKER" if status in {"IN_DOUBT", "NOT_EXECUTED"} else "REPLY",
                "decided_at": None if at is None else second(at + 0.5),
                "amount": command.amount,
                "currency": command.currency,
                "points": command.points,
            }
            | fields,
        )
        self.history.results.append(result)
        return result

    def booked(self, command: Command, effects: int = 1, **fields: Any) -> None:
        """Let PayWizard's book say that `command` was asked once, with as many effects."""
        assert command.order is not None
        self.history.book.orders[command.order] = BookOrder(
            requests=1,
            effects=effects,
            truth="SUCCEEDED" if effects else "DECLINED",
            checkout_ids=(f"9-{command.order.tran_order_no}",),
            loyalty_channel="FACTOR4",
            account_id=command.account_id,
            amount=command.amount,
            currency=command.currency,
            points=command.points,
            **fields,
        )

    def dead_letter(self, original: Command, reason: str, headers: Headers = ()) -> DeadLetter:
        """Publish the dead letter of `original` with `headers` beside those that are promised."""
        letter = DeadLetter(
            place=self._next("dead-letters"),
            key_digest=original.key_digest,
            value_digest=original.value_digest,
            headers=(
                *original.headers,
                ("dlq.reason", reason.encode()),
                ("dlq.message", b"A fixed sentence."),
                ("dlq.original.topic", original.place.topic.encode()),
                ("dlq.original.partition", str(original.place.partition).encode()),
                ("dlq.original.offset", str(original.place.offset).encode()),
                *headers,
            ),
        )
        self.history.dead_letters.append(letter)
        return letter

    def balance(self, card: Card, sequence: int, before: str | None, after: str) -> None:
        """Publish that the USD on `card` moved from `before` to `after`; its 5 points stay."""
        usd = Change("USD", None if before is None else Decimal(before), Decimal(after))
        points = () if before else (Change("Points", None, Decimal(5)),)
        self.history.balance_changes.append(
            BalanceChange(
                place=self._next("outcomes.balance-changes"),
                card=card,
                sequence=sequence,
                changes=(usd, *points),
                balances={"USD": Decimal(after), "Points": Decimal(5)},
            )
        )


def healthy() -> History:
    """Return the run: offsets 0 to 4 of the payment topic are RICH's and POOR's orders."""
    run = Run()
    paid = run.command("paid", amount=Decimal("10.00"), currency="USD")
    reloaded = run.command("reloaded", operation="RELOAD", amount=Decimal(4), currency="USD")
    void = run.command("void", operation="VOID")
    declined = run.command("declined", POOR)
    settled = run.command("settled", POOR)
    run.dead_letter(run.garbage((("trace", RICH.account_id.encode()),)), "BAD_FRAME")
    run.dead_letter(run.command("paid", POOR, value=b"other content"), "CONFLICT")
    run.command("paid", partition=1)
    run.dead_letter(run.resolution("paid", "DECLINED").record, "NOT_IN_DOUBT")
    doubt = run.command("doubt", OPEN)
    expired = run.command("expired", OPEN)
    run.result(paid, "SUCCEEDED", at=1)
    run.result(reloaded, "SUCCEEDED", at=2)
    run.result(void, "SUCCEEDED", at=0)
    run.result(declined, "DECLINED", at=1)
    run.result(settled, "PENDING", at=3)
    run.result(settled, "SUCCEEDED", "final", at=3)
    run.result(doubt, "IN_DOUBT", at=1)
    run.result(expired, "NOT_EXECUTED")
    run.result(paid, "SUCCEEDED", at=1, replayed=True)
    for moved in (paid, reloaded, void, settled, doubt):
        run.booked(moved)
    run.booked(declined, effects=0)
    run.balance(RICH, 1, None, "90.00")
    run.balance(POOR, 1, None, "7.00")
    run.balance(RICH, 2, "90.00", "94.00")
    run.balance(RICH, 3, "94.00", "104.00")
    run.history.book.cards[RICH] = {"USD": Decimal("104.0"), "Points": Decimal(5)}
    run.history.book.cards[POOR] = {"USD": Decimal(7), "Points": Decimal(5)}
    run.history.book.cards[OPEN] = {"USD": Decimal(1)}
    run.history.book.cards[IDLE] = {}
    return run.history


def doctor(records: Any, which: Any, **changes: Any) -> None:
    """Replace fields of the one record in `records` for which `which` holds."""
    (index,) = [i for i, record in enumerate(records) if which(record)]
    record = records[index]
    records[index] = (
        replace(record, **changes)
        if isinstance(record, DeadLetter)
        else record._replace(**changes)
    )


def broken(verdict: "Verdict") -> list[tuple[str, str]]:
    """Return what was found: promise and subject."""
    return [(finding.promise, finding.subject) for finding in verdict.findings]


def book(history: History, number: str, **changes: Any) -> None:
    """Change what PayWizard's book says of one order."""
    orders = history.book.orders
    orders[order(number)] = orders[order(number)]._replace(**changes)


def first_result(history: History, number: str, **changes: Any) -> None:
    """Change the first outcome of one order."""
    first = event_id(order(number), "first")
    doctor(history.results, lambda r: r.event_id == first and not r.replayed, **changes)


def final_result(history: History, number: str, **changes: Any) -> None:
    """Change the final outcome of one order."""
    final = event_id(order(number), "final")
    doctor(history.results, lambda r: r.event_id == final, **changes)
