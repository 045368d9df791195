"""Records for command topics, made as an upstream system makes them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from ops.sandbox.paywizard.world import Card
from worker.adapters.avro.frames import encode_frame
from worker.adapters.avro.json_form import from_json

Headers = tuple[tuple[str, bytes], ...]

OPERATIONS: Final = {
    "PaymentCommand": "PAYMENT",
    "TipCommand": "TIP",
    "ReloadCommand": "RELOAD",
    "IssuePointsCommand": "ISSUE_POINTS",
    "RedeemPointsCommand": "REDEEM_POINTS",
    "VoidCommand": "VOID",
    "ActivateCommand": "ACTIVATE",
    "InquiryCommand": "INQUIRY",
}
TOPICS: Final = {
    "PAYMENT": "commands.payment",
    "TIP": "commands.payment",
    "RELOAD": "commands.reload",
    "ISSUE_POINTS": "commands.points",
    "REDEEM_POINTS": "commands.points",
    "VOID": "commands.void",
    "ACTIVATE": "commands.card",
    "INQUIRY": "commands.card",
}
NAMES_NO_CARD: Final = "VoidCommand"
"""A void takes its card from its original."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sending:
    """One record to send; `topic` without its prefix. `what` is an operation, or what is wrong."""

    what: str
    topic: str
    key: bytes | None = field(default=None, repr=False)
    value: bytes | None = field(repr=False)
    headers: Headers = ()
    order: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Where one upstream system writes its commands: all of them at one moment, with its headers."""

    now: datetime
    headers: Headers = (("origin", b"sandbox"),)

    def command(
        self, record: str, order: str, card: Card, *, what: str = "", **fields: object
    ) -> Sending:
        """Write a command; `fields` as in `schemas/examples/`, money and times as text.

        Client and card are those of `card`; a field that is given wins, None leaves it null.
        """
        document: Mapping[str, object] = (
            {
                "record": record,
                "tranOrderNo": order,
                "clientId": card.client_id,
                "requestedAt": as_text(self.now),
            }
            | ({} if record == NAMES_NO_CARD else _card_fields(card))
            | fields
        )
        decoded = from_json(document)
        operation = OPERATIONS[record]
        return Sending(
            what=what or operation,
            topic=TOPICS[operation],
            key=card_key(card),
            value=encode_frame(decoded.name, decoded.fields),
            headers=self.headers,
            order=order,
        )


def card_key(card: Card) -> bytes:
    """Return the key that keeps a card's commands in order: client/channel/account."""
    return f"{card.client_id}/{card.loyalty_channel}/{card.account_id}".encode()


def as_text(moment: datetime) -> str:
    """Write a time as commands in JSON have it."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")


def _card_fields(card: Card) -> dict[str, object]:
    return {"accountId": card.account_id, "entryType": "K"}
