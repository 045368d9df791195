"""Voids and tips: the original decides whether they are sent, for which card, and how often."""

from decimal import Decimal
from typing import Any

import pytest

from tests.instruments import CLIENTS
from tests.unit.application.worker_over_fakes import (
    ACCOUNT,
    CARD,
    CHANNEL,
    WorkerOverFakes,
    command_bytes,
    payment,
)
from worker.domain.card import Card
from worker.domain.replies import Answer, Approved, Declined, Pending
from worker.domain.states import State


@pytest.fixture(autouse=True)
def card(worker: WorkerOverFakes) -> None:
    """A card with money."""
    worker.paywizard.issue(CARD, {"USD": 100, "Points": 50})


def void(tran_order_no: str, original: str | None = None, **fields: Any) -> bytes:
    """Encode a void of an order number, or of what `fields` say."""
    return command_bytes("VoidCommand", tran_order_no, originalTranOrderNo=original, **fields)


def tip(tran_order_no: str, original: str | None = None, **fields: Any) -> bytes:
    """Encode a tip for an order number, or for what `fields` say."""
    return command_bytes("TipCommand", tran_order_no, originalTranOrderNo=original, **fields)


async def outcome(worker: WorkerOverFakes, value: bytes) -> tuple[str, str | None]:
    """Process a command and return status and reason of its result."""
    await worker.run(value)
    result = worker.results()[-1]
    return result["status"], result["reason"]


async def test_a_void_gives_the_money_back_once(worker: WorkerOverFakes) -> None:
    """G12: a second void of the same original is refused here."""
    await worker.run(payment("T-0"))
    assert await outcome(worker, void("V-1", "T-0")) == ("SUCCEEDED", None)
    assert await outcome(worker, void("V-2", "T-0")) == ("NOT_EXECUTED", "ORIGINAL_TAKEN")
    assert worker.paywizard.balance(CARD, "USD") == Decimal(100)


async def test_a_payment_is_tipped_once(worker: WorkerOverFakes) -> None:
    """G11: one tip per payment."""
    await worker.run(payment("T-0"))
    assert await outcome(worker, tip("G-1", "T-0")) == ("SUCCEEDED", None)
    assert await outcome(worker, tip("G-2", "T-0")) == ("NOT_EXECUTED", "ORIGINAL_TAKEN")
    assert worker.paywizard.balance(CARD, "USD") == Decimal("79.00")


async def test_an_original_is_named_by_its_checkout_id_too(worker: WorkerOverFakes) -> None:
    """PayWizard's own name of the payment leads to the same entry, card and refusal."""
    await worker.run(payment("T-0"))
    checkout_id = worker.results()[0]["checkoutId"]
    by_checkout = void("V-1", originalCheckoutId=checkout_id)
    assert await outcome(worker, by_checkout) == ("SUCCEEDED", None)
    assert worker.results()[-1]["accountId"] == ACCOUNT
    assert await outcome(worker, void("V-2", "T-0")) == ("NOT_EXECUTED", "ORIGINAL_TAKEN")


async def test_a_declined_void_gives_its_original_back(worker: WorkerOverFakes) -> None:
    """PayWizard said no, so another void may try."""
    await worker.run(payment("T-0"))
    worker.paywizard.will(Declined(Answer(http_status=200, code=200, result=1)), about="V-1")
    assert await outcome(worker, void("V-1", "T-0")) == ("DECLINED", None)
    assert await outcome(worker, void("V-2", "T-0")) == ("SUCCEEDED", None)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("InquiryCommand", "VoidCommand"),
        ("ActivateCommand", "VoidCommand"),
        ("IssuePointsCommand", "VoidCommand"),
        ("ReloadCommand", "TipCommand"),
    ],
)
async def test_what_cannot_be_undone_or_tipped_is_refused(
    worker: WorkerOverFakes, name: str, kind: str
) -> None:
    """G11, G12: only payments are tipped, and only configured operations voided."""
    await worker.run(command_bytes(name, "T-0"))
    value = command_bytes(kind, "X-1", originalTranOrderNo="T-0")
    assert await outcome(worker, value) == ("NOT_EXECUTED", "ORIGINAL_NOT_ELIGIBLE")


async def test_a_void_of_a_void_is_refused(worker: WorkerOverFakes) -> None:
    """Whoever wants the money moved again gives a new payment."""
    await worker.run(payment("T-0"))
    await worker.run(void("V-1", "T-0"))
    assert await outcome(worker, void("V-2", "V-1")) == (
        "NOT_EXECUTED",
        "ORIGINAL_NOT_ELIGIBLE",
    )


async def test_a_tip_for_another_card_than_its_originals_is_refused(
    worker: WorkerOverFakes,
) -> None:
    """The card of a tip is its original's; one that contradicts it is not guessed at."""
    await worker.run(payment("T-0"))
    value = tip("G-1", "T-0", accountId="600000000000009")
    assert await outcome(worker, value) == ("NOT_EXECUTED", "ORIGINAL_NOT_ELIGIBLE")
    assert worker.results()[-1]["reasonDetail"] == "accountId"


async def test_an_original_that_failed_ends_its_void_at_once(worker: WorkerOverFakes) -> None:
    """There is nothing to take back."""
    worker.paywizard.will(Declined(Answer(http_status=200, code=200, result=1)))
    await worker.run(payment("T-0"))
    assert await outcome(worker, void("V-1", "T-0")) == (
        "NOT_EXECUTED",
        "ORIGINAL_NOT_SUCCEEDED",
    )


async def test_an_original_that_never_comes_is_waited_for_and_then_unknown(
    worker: WorkerOverFakes,
) -> None:
    """It may be on its way on another topic, but not for ever."""
    assert await outcome(worker, void("V-1", "NOBODY")) == ("NOT_EXECUTED", "ORIGINAL_UNKNOWN")


async def test_an_original_that_comes_late_is_found(worker: WorkerOverFakes) -> None:
    """The void waits aside, without its card's turn, and then takes its place."""
    waiting = worker.send(void("V-1", "T-0"), partition=1)
    await worker.run(payment("T-0"))
    await worker.until(lambda: waiting in worker.kafka.committed)
    assert worker.state_of("V-1") is State.SUCCEEDED
    assert worker.paywizard.balance(CARD, "USD") == Decimal(100)


async def test_an_original_behind_its_tip_is_not_held_up_by_it(worker: WorkerOverFakes) -> None:
    """P6: who waits for an original loses its place, so that the original may stand behind it."""
    waiting = worker.send(tip("G-1", "T-0"))
    await worker.run(payment("T-0"))
    await worker.until(lambda: waiting in worker.kafka.committed)
    assert worker.state_of("G-1") is State.SUCCEEDED


async def test_an_original_that_stays_undecided_holds_its_void_only_so_long(
    worker: WorkerOverFakes,
) -> None:
    """Nobody knows whether there is anything to take back."""
    worker.paywizard.will(Pending(Answer(http_status=200, code=200, result=2)))
    await worker.run(payment("T-0"))
    assert await outcome(worker, void("V-1", "T-0")) == ("NOT_EXECUTED", "ORIGINAL_UNDECIDED")


async def test_another_clients_original_is_unknown(worker: WorkerOverFakes) -> None:
    """P14: one merchant cannot void another's payment, nor learn of it."""
    await worker.run(payment("T-0"))
    foreign = void("V-1", "T-0", clientId=CLIENTS[1])
    assert await outcome(worker, foreign) == ("NOT_EXECUTED", "ORIGINAL_UNKNOWN")


async def test_an_unknown_checkout_id_is_refused_unless_allowed(
    worker: WorkerOverFakes,
) -> None:
    """G12: what the ledger does not know is PayWizard's to judge only where the operator says so."""
    stranger = void("V-1", originalCheckoutId="900000000000000077")
    assert await outcome(worker, stranger) == ("NOT_EXECUTED", "ORIGINAL_UNKNOWN")
    assert not worker.paywizard.requests
    allowing = WorkerOverFakes(unknown_originals_allowed=True)
    allowing.paywizard.will(Approved(Answer(http_status=200, code=200, result=0)))
    assert await outcome(allowing, stranger) == ("SUCCEEDED", None)
    await allowing.stop()


async def test_clients_do_not_share_cards(worker: WorkerOverFakes) -> None:
    """The same account number at two clients is two cards."""
    other = Card(CLIENTS[1], CHANNEL, ACCOUNT)
    worker.paywizard.issue(other, {"USD": 7})
    await worker.run(payment("T-0", clientId=CLIENTS[1], amount=Decimal(5)))
    assert worker.paywizard.balance(other, "USD") == Decimal(2)
    assert worker.paywizard.balance(CARD, "USD") == Decimal(100)
