"""A card: the thing whose commands run one at a time and whose balances are numbered."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Card:
    """A card of one client on one loyalty channel; `account_id` is personal."""

    client_id: str
    loyalty_channel: str
    account_id: str = field(repr=False)

    @property
    def key(self) -> str:
        """The card as a record key: `clientId/loyaltyChannel/accountId`."""
        return f"{self.client_id}/{self.loyalty_channel}/{self.account_id}"
