"""A run is over only when subscribers know what every card holds."""

from collections.abc import Iterator
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from types import SimpleNamespace
from typing import cast

import pytest
from typing_extensions import override

from ops.proof.settling import outdated
from ops.proof.stage import Stage, world_for
from ops.proof.watching import Watcher

CARDS = world_for(1).cards[:2]
KEYS = [(card.client_id, card.loyalty_channel, card.account_id) for card in CARDS]
BOOK = (
    "["
    + ", ".join(
        f'{{"clientId": "{client}", "loyaltyChannel": "{channel}", "accountId": "{account}",'
        ' "balances": [{"valueCode": "USD", "amount": "1000.00"}, {"valueCode": "Points", "amount": "500"}]}'
        for client, channel, account in KEYS
    )
    + "]"
)


class Simulator(BaseHTTPRequestHandler):
    """Answers with two cards as they were at first."""

    def do_GET(self) -> None:
        """Tell the cards."""
        self.send_response(200)
        self.end_headers()
        self.wfile.write(BOOK.encode())

    @override
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def stage() -> Iterator[Stage]:
    """Return a stage that has no more than a book and a world."""
    with HTTPServer(("127.0.0.1", 0), Simulator) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/book"
        yield cast(
            "Stage",
            SimpleNamespace(
                simulator=SimpleNamespace(book_url=url), world=SimpleNamespace(cards=CARDS)
            ),
        )
        server.shutdown()


@pytest.mark.parametrize(
    ("told", "found"),
    [
        ({}, []),
        ({"USD": Decimal("1000.0000"), "Points": Decimal(500)}, []),
        ({"USD": Decimal(999), "Points": Decimal(500)}, [KEYS[0][-1]]),
        ({"USD": Decimal(1000)}, [KEYS[0][-1]]),
    ],
    ids=["as at first", "as it is", "another amount", "not all"],
)
def test_a_card_is_outdated_until_its_last_event_says_what_it_holds(
    stage: Stage, told: dict[str, Decimal], found: list[str]
) -> None:
    """What could not be read is read again later: until then the run waits."""
    watcher = SimpleNamespace(balances={KEYS[0]: told} if told else {})
    assert outdated(stage, cast("Watcher", watcher)) == found
