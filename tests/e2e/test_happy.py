"""One command of each operation, from Kafka through PayWizard and back."""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from ops.sandbox.following import BALANCE_CHANGES, RESULTS
from ops.sandbox.kafka import SandboxKafka
from ops.sandbox.paywizard.world import Card
from ops.sandbox.sending import card_key
from tests.e2e.runs import Run, started, world_of_cards

CUSTOMER = {"firstName": "Ada", "lastName": "Example"}


@pytest.fixture(scope="module")
def run(kafka: SandboxKafka, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """A worker that has executed each operation, then a void and a tip by checkoutId."""
    folder = tmp_path_factory.mktemp("happy")
    world = world_of_cards(active=1, idle=1)
    with started(kafka.bootstrap_servers, folder, world, partitions=2) as run:
        run.start_worker()
        execute_each_operation(run)
        yield run


def execute_each_operation(run: Run) -> None:
    """Leave the card with 100 - 10 + 20 - 7 - 3 (payments, reload) - 1 + 7 (tip, void) ..."""
    card, idle = run.world.cards
    write, usd = run.desk.command, {"currency": "USD"}
    run.sender.send(
        run.payment("payment", card, "10.00"),
        run.payment("voided", card, "7.00"),
        run.payment("tipped", card, "3.00"),
        write("ReloadCommand", "reload", card, amount="20.00", **usd),
        write("IssuePointsCommand", "issue", card, points=30),
        write("RedeemPointsCommand", "redeem", card, points=5),
        write("TipCommand", "tip", card, originalTranOrderNo="payment", amount="1.00", **usd),
        write("VoidCommand", "void", card, originalTranOrderNo="voided"),
        write("ActivateCommand", "activate", idle, activating=True, customerInfo=CUSTOMER),
        write("InquiryCommand", "inquiry", card),
    )
    run.finish()
    # ... and then, by checkoutId, - 0.50 (tip) - 20 (void of the reload): 85.50.
    checkout = {name: fields["checkoutId"] for name, fields in run.results().items()}
    by_checkout = {"originalCheckoutId": checkout["tipped"], "amount": "0.50", **usd}
    run.sender.send(
        write("TipCommand", "tip-2", card, **by_checkout),
        write("VoidCommand", "void-2", card, originalCheckoutId=checkout["reload"]),
    )
    run.finish()


@pytest.mark.parametrize(
    ("order", "operation"),
    [
        ("payment", "PAYMENT"),
        ("tip", "TIP"),
        ("tip-2", "TIP"),
        ("reload", "RELOAD"),
        ("issue", "ISSUE_POINTS"),
        ("redeem", "REDEEM_POINTS"),
        ("void", "VOID"),
        ("void-2", "VOID"),
        ("activate", "ACTIVATE"),
        ("inquiry", "INQUIRY"),
    ],
)
def test_every_operation_succeeds(run: Run, order: str, operation: str) -> None:
    """Each operation comes back as one result with its status and whose word it is."""
    result = run.results()[order]
    found = result["operation"], result["status"], result["reason"], result["decidedBy"]
    assert found == (operation, "SUCCEEDED", None, "REPLY")


def test_each_effect_happened_once_and_its_result_names_it(run: Run) -> None:
    """The book has one request and one effect per order, under the checkoutId of its result."""
    moving = run.results().keys() - {"activate", "inquiry"}
    book = run.book()
    assert book["orders"].keys() == moving
    for order in moving:
        entry = book["orders"][order]
        assert (entry["requests"], entry["effects"]) == (1, 1), order
        assert entry["checkoutIds"] == [run.results()[order]["checkoutId"]]
    assert [(each["requests"], each["effects"]) for each in book["activations"]] == [(1, 1)]


def test_balance_changes_lead_to_what_the_card_holds(run: Run) -> None:
    """Numbered from 1 without a gap, each begins where the last one ended, down to the book's (P7)."""
    card = run.world.cards[0]
    changes = run.balance_changes(card)
    assert [change["sequence"] for change in changes] == list(range(1, len(changes) + 1))
    held: dict[str, Decimal] = {}
    for change in changes:
        for moved in change["changes"]:
            assert moved["before"] == held.get(moved["valueCode"])
            held[moved["valueCode"]] = moved["after"]
    assert held == {"USD": Decimal("85.50"), "Points": Decimal(75)}
    booked = run.book()["cards"][0]["balances"]
    assert {each["valueCode"]: Decimal(each["amount"]) for each in booked} == held


def test_inquiry_and_activation_answer_with_balances(run: Run) -> None:
    """Who asks about a card gets its balances in the result."""
    codes = {
        order: [balance["valueCode"] for balance in run.results()[order]["balances"]]
        for order in ("inquiry", "activate")
    }
    assert codes == {"inquiry": ["USD", "Points"], "activate": ["USD", "Points"]}


def test_outcomes_are_keyed_and_carry_the_commands_headers(run: Run) -> None:
    """A result has the order number as key and the command's headers, a balance change the card."""
    card: Card = run.world.cards[0]
    results = run.published(RESULTS)
    assert {each.key for each in results} == {order.encode() for order in run.results()}
    assert {each.headers for each in results} == {(("origin", b"sandbox"),)}
    assert {each.key for each in run.published(BALANCE_CHANGES)} == {card_key(card)}


def test_the_verdict_holds(run: Run) -> None:
    """The independent checker finds no broken promise, and saw everything that was sent."""
    verdict = run.verdict()
    assert verdict.findings == ()
    assert verdict.counts["commands"] == 12


def test_no_card_number_is_logged(run: Run) -> None:
    """The worker's log never shows a card number in full (P10)."""
    log = Path(run.log_path).read_text(encoding="utf-8")
    assert "command.completed" in log
    assert not [card for card in run.world.cards if card.account_id in log]
