"""Voids and tips that a lost ledger may have executed hold their originals: nobody sends another."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.unit.application.decisions import resolve
from tests.unit.application.open_orders import (
    CHECKOUT,
    a_worker,
    checks,
    entry_of,
    found,
    look,
    run,
)
from tests.unit.application.worker_over_fakes import (
    CLIENT,
    WorkerOverFakes,
    command_bytes,
    payment,
)
from worker.application.ports import Place
from worker.domain.entry import numbered
from worker.domain.states import State

LONG = 90_001.0


def of_payment(name: str, number: str) -> bytes:
    """Encode a void or tip of the payment T-0."""
    return command_bytes(name, number, originalTranOrderNo="T-0")


def adopting(worker: WorkerOverFakes) -> WorkerOverFakes:
    """The worker that goes on after the ledger was adopted, an hour from now."""
    since = worker.clock.now() + timedelta(hours=1)
    return WorkerOverFakes(
        store=worker.store, paywizard=worker.paywizard, owner="process-9", adopted_since=since
    )


async def outcome_of_a_new(worker: WorkerOverFakes, name: str) -> tuple[str, str | None, int]:
    """Send a second void or tip, after the adoption: status, reason, and what reached PayWizard."""
    before = len(worker.paywizard.requests)
    worker.clock.moment += timedelta(hours=2)
    await worker.run(of_payment(name, "X-2"))
    result = worker.results()[-1]
    return result["status"], result["reason"], len(worker.paywizard.requests) - before


TAKEN = ("NOT_EXECUTED", "ORIGINAL_TAKEN", 0)


@pytest.fixture
async def paid() -> WorkerOverFakes:
    """A worker that has made the payment T-0, and whose ledger was adopted after that."""
    before = a_worker()
    await before.run(payment("T-0"))
    await before.stop()
    return adopting(before)


@pytest.mark.parametrize("name", ["VoidCommand", "TipCommand"])
@pytest.mark.parametrize("resolved", [None, "SUCCEEDED"])
async def test_no_second_one_is_sent_while_the_first_is_in_doubt_or_has_succeeded(
    paid: WorkerOverFakes, name: str, resolved: str | None
) -> None:
    """P1, G11, G12: the lost ledger may have voided that payment already."""
    await paid.run(of_payment(name, "X-1"))
    assert paid.state_of("X-1") is State.IN_DOUBT
    assert entry_of(paid, "X-1").takes == entry_of(paid, "T-0").checkout_id
    if resolved is not None:
        await run(paid, checks(paid)[0])
        await resolve(paid, resolved, tranOrderNo="X-1")
        assert paid.state_of("X-1").value == resolved
    assert await outcome_of_a_new(paid, name) == TAKEN
    await paid.stop()


@pytest.mark.parametrize("resolved", ["DECLINED", "NOT_EXECUTED"])
async def test_another_is_sent_when_the_first_did_not_happen(
    paid: WorkerOverFakes, resolved: str
) -> None:
    """The operator says that the payment stands."""
    await paid.run(of_payment("VoidCommand", "X-1"))
    await run(paid, checks(paid)[0])
    await resolve(paid, resolved, tranOrderNo="X-1")
    assert await outcome_of_a_new(paid, "VoidCommand") == ("SUCCEEDED", None, 1)
    await paid.stop()


async def test_an_original_whose_checkout_id_is_known_later_is_held_by_its_number() -> None:
    """The payment is in doubt as well, and gets its checkoutId when its void has long succeeded."""
    worker = adopting(a_worker())
    await worker.run(payment("T-0"))
    await worker.run(of_payment("VoidCommand", "X-1"))
    assert entry_of(worker, "X-1").takes == numbered("T-0")
    for check in checks(worker):
        await run(worker, check)
    await resolve(worker, "SUCCEEDED", tranOrderNo="X-1")
    await resolve(worker, "SUCCEEDED", tranOrderNo="T-0", checkoutId=CHECKOUT)
    assert await outcome_of_a_new(worker, "VoidCommand") == TAKEN
    await worker.stop()


async def test_a_checkout_id_that_the_command_names_is_held_as_it_is() -> None:
    """Whether the ledger knows that order or not; a name by number is replaced once it does."""
    worker = adopting(a_worker())
    await worker.run(command_bytes("VoidCommand", "X-1", originalCheckoutId=CHECKOUT))
    assert entry_of(worker, "X-1").takes == CHECKOUT
    await worker.run(payment("T-0"))
    await worker.run(of_payment("VoidCommand", "X-3"))
    assert entry_of(worker, "X-3").takes == numbered("T-0")
    for check in checks(worker):
        await run(worker, check)
    await resolve(worker, "SUCCEEDED", tranOrderNo="T-0", checkoutId="900000000000000043")
    await look(worker)
    assert entry_of(worker, "X-3").takes == "900000000000000043"
    await worker.stop()


@pytest.mark.parametrize("by", ["record", "check", "resolution"])
async def test_what_a_crash_left_without_its_original_takes_it_later(
    paid: WorkerOverFakes, by: str
) -> None:
    """Whoever looks at the order next: its record again, a check, or at last its decision."""
    record = await paid.lose_commit(of_payment("VoidCommand", "X-1"))
    paid.store.entries[CLIENT, "X-1"] = replace(entry_of(paid, "X-1"), takes=None)
    await paid.again(record)
    if by != "record":
        paid.store.entries[CLIENT, "X-1"] = replace(entry_of(paid, "X-1"), takes=None)
        await run(paid, checks(paid)[0])
    if by == "resolution":
        paid.store.entries[CLIENT, "X-1"] = replace(entry_of(paid, "X-1"), takes=None)
        await resolve(paid, "SUCCEEDED", tranOrderNo="X-1")
    assert await outcome_of_a_new(paid, "VoidCommand") == TAKEN
    await paid.stop()


async def test_an_orphan_that_a_lost_ledger_may_have_sent_holds_its_original(
    paid: WorkerOverFakes,
) -> None:
    """Its record is no more; the check that ends it in doubt takes the original too."""
    record = await paid.lose_commit(of_payment("VoidCommand", "X-1"))
    paid.store.entries[CLIENT, "X-1"] = replace(
        entry_of(paid, "X-1"), state=State.CLAIMED, outcome=None, takes=None
    )
    paid.store.advance(LONG)
    paid.kafka.places[record.source] = Place.COMPLETE
    await paid.due.once()
    await run(paid, checks(paid)[-1])
    assert entry_of(paid, "X-1").takes == entry_of(paid, "T-0").checkout_id
    assert await outcome_of_a_new(paid, "VoidCommand") == TAKEN
    await paid.stop()


async def test_a_revoked_original_does_not_decide_a_void_that_a_lost_ledger_sent(
    paid: WorkerOverFakes,
) -> None:
    """P4: a void that nobody remembers may have revoked it; held now is not held then."""
    await paid.run(of_payment("VoidCommand", "X-1"))
    await run(paid, checks(paid)[0])
    checkout_id = entry_of(paid, "T-0").checkout_id
    paid.paywizard.will_find(found(3, checkout_id=checkout_id))
    await look(paid)
    assert paid.paywizard.queries == [checkout_id]
    assert paid.state_of("X-1") is State.IN_DOUBT
    await paid.stop()


async def test_of_two_in_doubt_each_holds_and_neither_frees_it_for_a_third(
    paid: WorkerOverFakes,
) -> None:
    """By both names of the original: when the first did not happen, the second still may have."""
    await paid.run(of_payment("VoidCommand", "X-1"))
    await paid.run(of_payment("VoidCommand", "X-3"))
    assert entry_of(paid, "X-3").takes == numbered("T-0")
    for check in checks(paid):
        await run(paid, check)
    await resolve(paid, "DECLINED", tranOrderNo="X-1")
    assert await outcome_of_a_new(paid, "VoidCommand") == TAKEN
    await paid.stop()


async def test_the_second_of_two_in_doubt_holds_when_it_turns_out_well(
    paid: WorkerOverFakes,
) -> None:
    """For good: the ledger says that it voided the payment."""
    await paid.run(of_payment("VoidCommand", "X-1"))
    await paid.run(of_payment("VoidCommand", "X-3"))
    for check in checks(paid):
        await run(paid, check)
    await resolve(paid, "SUCCEEDED", tranOrderNo="X-3")
    await look(paid)
    await resolve(paid, "NOT_EXECUTED", tranOrderNo="X-1")
    await look(paid)
    assert await outcome_of_a_new(paid, "VoidCommand") == TAKEN
    await paid.stop()


async def test_a_revoked_original_decides_no_void_of_an_older_copy() -> None:
    """P4: it was sent before the copy was taken; what the lost ledger sent after it nobody knows."""
    before = a_worker()
    await before.run(payment("T-0"))
    checkout_id = entry_of(before, "T-0").checkout_id
    before.paywizard.answering.clear()
    record = before.send(of_payment("VoidCommand", "X-1"))
    await before.paywizard.wait_for_requests(2)
    worker = adopting(before)
    worker.paywizard.answering = asyncio.Event()
    worker.paywizard.answering.set()
    worker.store.advance(200)
    checked = len(checks(worker))
    worker.dispatcher.receive([replace(record, tenure=5)])
    await worker.until(lambda: len(checks(worker)) > checked)
    await run(worker, checks(worker)[-1])
    assert entry_of(worker, "X-1").takes == checkout_id
    worker.paywizard.will_find(found(3, checkout_id=checkout_id))
    await look(worker)
    assert worker.state_of("X-1") is State.IN_DOUBT
