"""Reads records: Avro frames against `schemas/`, reduced to what the promises speak of."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from sys import intern
from types import MappingProxyType

from ops.proof.frames import Fields, Schemas, UnreadableError
from ops.proof.history import (
    BalanceChange,
    Card,
    Change,
    Command,
    Headers,
    Order,
    Place,
    Resolution,
    Result,
    balance_event_id,
    digest,
)
from ops.proof.interface import REPLAYED, RESULT_REASONS, of_producers
from ops.proof.keeping import kept_digests, undecoded
from ops.proof.topics import Record

OPERATIONS = {
    "PaymentCommand": "PAYMENT",
    "TipCommand": "TIP",
    "ReloadCommand": "RELOAD",
    "IssuePointsCommand": "ISSUE_POINTS",
    "RedeemPointsCommand": "REDEEM_POINTS",
    "VoidCommand": "VOID",
    "ActivateCommand": "ACTIVATE",
    "InquiryCommand": "INQUIRY",
}
ORDER_NUMBER_LENGTH_MAX = 64
MONEY_DIGITS, MONEY_SCALE = 18, 4
MONEY_BYTES_MAX = 16
AMOUNTS_KEPT = 100_000
# The years 1 to 9999.
MILLISECONDS_MIN, MILLISECONDS_MAX = -62_135_596_800_000, 253_402_300_799_999
TIMES_OF_SENDING = frozenset({"requestedAt", "expiresAt"})
# Of a reload's `activating` null means neither true nor false.
MEANT_BY_NULL: Mapping[str, object] = MappingProxyType({"nsfAllowed": False})


@lru_cache(AMOUNTS_KEPT)
def money(unscaled: bytes) -> Decimal:
    """Return an amount; a million records share a few thousand of them. UnreadableError: too many digits, or none."""
    number = int.from_bytes(unscaled, "big", signed=True)
    if not 0 < len(unscaled) <= MONEY_BYTES_MAX or abs(number) >= 10**MONEY_DIGITS:
        raise UnreadableError("does not decode")
    return Decimal(number).scaleb(-MONEY_SCALE)


def moment(milliseconds: int) -> datetime:
    """Return a time, or raise UnreadableError where there is none."""
    try:
        return datetime.fromtimestamp(milliseconds / 1000, UTC)
    except (OverflowError, ValueError, OSError) as error:
        raise UnreadableError("does not decode") from error


class Reader:
    """Reduces records to what the promises speak of.

    clients: the known client ids; default_client: who a command without `clientId` is for, also known.
    """

    def __init__(
        self, schemas: Schemas, clients: frozenset[str], default_client: str | None
    ) -> None:
        self._schemas = schemas
        self._clients = clients if default_client is None else clients | {default_client}
        self._default_client = default_client or ""

    def command(self, record: Record) -> Command:
        """Return the command in `record`; if nothing can be claimed under it, with its flaw."""
        try:
            return self._decoded(record, *self._sound(record.value))
        except UnreadableError as error:
            return undecoded(record)._replace(flaw=str(error))

    def _sound(self, value: bytes | None) -> tuple[str, Fields]:
        """Return the name and the fields of a command that an encoder wrote, or raise UnreadableError."""
        name, fields = self._schemas.decode(value)
        if name not in OPERATIONS:
            raise UnreadableError("not a command")
        assert value is not None, "null does not decode"
        if not (_has_times(fields) and self._schemas.is_as_written(value, fields)):
            raise UnreadableError("does not decode")
        return name, fields

    def resolution(self, record: Record) -> Resolution:
        """Return the operator's decision in `record`, as bytes alone if it does not decode."""
        sent = undecoded(record)
        try:
            name, fields = self._schemas.decode(record.value)
        except UnreadableError:
            return Resolution(sent)
        if name != "ResolutionCommand":
            return Resolution(sent)
        client_id = self._default_client if fields["clientId"] is None else fields["clientId"]
        order = Order(client_id, fields["tranOrderNo"])
        return Resolution(sent, order, fields["outcome"], fields["checkoutId"])

    def _decoded(self, record: Record, name: str, fields: Fields) -> Command:
        client_id = self._default_client if fields["clientId"] is None else fields["clientId"]
        order = Order(intern(client_id), fields["tranOrderNo"])
        flaw = self._flaw(order)
        key_digest, value_digest = kept_digests(record)
        amount = None if fields.get("amount") is None else money(fields["amount"])
        return Command(
            place=record.place,
            key_digest=key_digest,
            value_digest=value_digest,
            headers=record.headers,
            order=None if flaw else order,
            flaw=flaw,
            operation=OPERATIONS[name],
            content=_content(name, fields | {"clientId": client_id, "amount": amount}),
            account_id=fields.get("accountId"),
            amount=amount,
            currency=fields.get("currency"),
            points=fields.get("points"),
            original=fields.get("originalTranOrderNo"),
            original_checkout_id=fields.get("originalCheckoutId"),
            published_at=record.at,
        )

    def _flaw(self, order: Order) -> str:
        number = order.tran_order_no
        if not (0 < len(number) <= ORDER_NUMBER_LENGTH_MAX and number.isprintable()):
            return "no usable order number"
        if not order.client_id:
            return "no client, and the checker was told no default"
        return "" if order.client_id in self._clients else "unknown client"

    def result(self, record: Record) -> Result:
        """Return the result in `record`, or raise UnreadableError."""
        fields = self._outcome(record, "TransactionResult")
        _check_key(record, fields["tranOrderNo"])
        if fields["reason"] is not None and fields["reason"] not in RESULT_REASONS:
            raise UnreadableError("its reason is not of the closed list")
        headers, replayed = _result_headers(record)
        source = fields["source"]
        return Result(
            place=record.place,
            event_id=fields["eventId"],
            order=Order(intern(fields["clientId"]), fields["tranOrderNo"]),
            operation=fields["operation"],
            status=fields["status"],
            source=Place(intern(source["topic"]), source["partition"], source["offset"]),
            checkout_id=fields["checkoutId"],
            card=_card(fields),
            decided_by=fields["decidedBy"],
            submitted_at=_known_moment(fields["submittedAt"]),
            decided_at=_known_moment(fields["decidedAt"]),
            replayed=replayed,
            texts=_texts(fields),
            amount=None
            if fields["requestedAmount"] is None
            else money(fields["requestedAmount"]),
            currency=fields["currency"],
            points=fields["requestedPoints"],
            published_at=record.at,
            headers=headers,
        )

    def balance_change(self, record: Record) -> BalanceChange:
        """Return the balance change in `record`, or raise UnreadableError."""
        fields = self._outcome(record, "BalanceChanged")
        key = "/".join(fields[name] for name in ("clientId", "loyaltyChannel", "accountId"))
        _check_key(record, key)
        if fields["eventId"] != balance_event_id(key, fields["sequence"]):
            raise UnreadableError("its eventId is not that of its card and sequence")
        return BalanceChange(
            place=record.place,
            card=_held_card(fields),
            sequence=fields["sequence"],
            changes=tuple(map(_change, fields["changes"])),
            balances={
                intern(held["valueCode"]): money(held["amount"]) for held in fields["balances"]
            },
            published_at=record.at,
        )

    def _outcome(self, record: Record, expected: str) -> Fields:
        name, fields = self._schemas.decode(record.value)
        if name != expected:
            raise UnreadableError(f"{name} instead of {expected}")
        return fields


def _has_times(fields: Fields) -> bool:
    """Whether the times of a command are some that a calendar has."""
    requested_at, expires_at = fields["requestedAt"], fields["expiresAt"]
    return MILLISECONDS_MIN <= requested_at <= MILLISECONDS_MAX and (
        expires_at is None or MILLISECONDS_MIN <= expires_at <= MILLISECONDS_MAX
    )


def _check_key(record: Record, key: str) -> None:
    """Kafka keeps the order, and the last record, of a key: of another one it keeps neither."""
    if record.key != key.encode():
        raise UnreadableError("its key is not what the interface says")


def _result_headers(record: Record) -> tuple[Headers, bool]:
    """Return the headers that are not ours, and whether the one that is calls it a replay."""
    if not record.headers:
        return (), False
    headers = of_producers(record.headers)
    ours = set(record.headers) - set(headers)
    if not ours <= {(REPLAYED, b"true")}:
        raise UnreadableError("it has a header that no result may have")
    return headers, bool(ours)


def _content(name: str, fields: Fields) -> bytes:
    """Return what tells two commands apart: all that is set and no default, but for times of sending."""
    told = {
        k: v
        for k, v in fields.items()
        if v is not None and v is not MEANT_BY_NULL.get(k) and k not in TIMES_OF_SENDING
    }
    if "amount" in told or "currency" in told:
        # Half of a reload's optional pair is nothing of something, or something of no currency.
        told = {"amount": money(b"\x00"), "currency": ""} | told
    return digest(repr((name, sorted(told.items()))).encode("utf-8"))


def _known_moment(milliseconds: int | None) -> datetime | None:
    return None if milliseconds is None else moment(milliseconds)


def _change(change: Fields) -> Change:
    before = None if change["before"] is None else money(change["before"])
    return Change(intern(change["valueCode"]), before, money(change["after"]))


def _texts(result: Fields) -> tuple[str, ...]:
    """Return what a result says in words of the worker's own."""
    detail, evidence = result["reasonDetail"], result["evidence"]
    queries = evidence["queries"] if evidence else ()
    told = [query[name] for query in queries for name in ("identifier", "answer")]
    return (*((detail,) if detail else ()), *told)


def _card(fields: Fields) -> Card | None:
    if fields["loyaltyChannel"] is None or fields["accountId"] is None:
        return None
    return _held_card(fields)


def _held_card(fields: Fields) -> Card:
    # A million records name a few thousand cards: one copy of each text is enough.
    return Card(
        intern(fields["clientId"]),
        intern(fields["loyaltyChannel"]),
        intern(fields["accountId"]),
    )
