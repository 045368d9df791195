"""A command on its way: what was decoded, which card it is for, and how long it may take."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from worker.application.handled import carried
from worker.application.originals import Original
from worker.application.ports import SourceRecord
from worker.domain.card import Card
from worker.domain.commands import (
    Command,
    OnCard,
    OnOriginal,
    Tip,
    Void,
    fingerprint,
    usable_identifier,
)
from worker.domain.entry import Entry, request_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """A command with its source record; `channel` is its client's own loyalty channel."""

    record: SourceRecord
    command: Command
    channel: str
    original: Original | None
    received_at: datetime

    @property
    def card(self) -> Card | None:
        """The command's card; for a void or tip its original's, where the ledger knows it."""
        if self.original is not None and self.original.card is not None:
            return self.original.card
        match self.command:
            case OnCard(account_id=account_id, loyalty_channel=named):
                channel = named if named is not None else self.channel
            case Tip(account_id=account_id) | Void(account_id=str() as account_id):
                channel = self.channel
            case _:
                return None
        if not (usable_identifier(account_id) and usable_identifier(channel)):
            return None
        return Card(self.command.client_id, channel, account_id)

    @property
    def entry_type(self) -> str | None:
        """How the card was read; for a void without one, as for its original."""
        own = getattr(self.command, "entry_type", None)
        if own is None and self.original is not None and self.original.entry is not None:
            return self.original.entry.request.entry_type
        return own

    @property
    def names_other_card(self) -> bool:
        """Whether a void or tip names a card that is not its original's."""
        if not isinstance(self.command, OnOriginal) or self.original is None:
            return False
        named, card = getattr(self.command, "account_id", None), self.original.card
        return named is not None and card is not None and named != card.account_id

    def deadline(self, wait_max: timedelta) -> datetime:
        """The moment after which the command is EXPIRED."""
        latest = self.record.timestamp + wait_max
        expires_at = self.command.expires_at
        return latest if expires_at is None else min(latest, expires_at)

    def new_entry(self, owner: str) -> Entry:
        """Build the entry that a claim inserts."""
        return Entry(
            client_id=self.command.client_id,
            tran_order_no=self.command.tran_order_no,
            fingerprint=fingerprint(self.command),
            operation=self.command.operation,
            card=self.card,
            source=self.record.source,
            request=request_of(
                self.command, self.received_at, carried(self.record.headers) or ()
            ),
            owner=owner,
        )
