"""The producer thread and fences: another process has its id, or its own rejoin made the old one stale."""

import pytest
from kafka import ConsumerGroupMetadata
from kafka import errors as kafka_errors

from tests.unit.adapters.kafka.publishing import Publishing
from tests.unit.adapters.kafka.records import P0, STABLE, failure_of, until
from tests.unit.adapters.kafka.scripted_producer import raising
from worker.adapters.kafka import producer as producer_module
from worker.adapters.kafka.producer import FencedError


@pytest.fixture(autouse=True)
def _no_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the thread look often whether it is to end."""
    monkeypatch.setattr(producer_module, "IDLE_SECONDS", 0.02)


async def test_a_fenced_producer_does_not_take_its_id_back() -> None:
    """T9: two owners of one id would fence each other without end."""
    worker = Publishing()
    fence = kafka_errors.KafkaError("...", kafka_errors.ProducerFencedError())
    worker.log.on["offsets"] = raising(fence)
    answer = worker.complete(0)
    with worker.running():
        assert not await answer
        with pytest.raises(FencedError, match="instance id"):
            await failure_of(worker.bridge)
    assert len(worker.log.producers) == 1
    assert not worker.bridge.tenures_allowed
    assert worker.values() == []


async def test_a_worker_that_its_own_rejoin_has_fenced_goes_on() -> None:
    """Its member id was replaced by its own new one; nobody else has its instance id."""
    worker = Publishing()

    def rejoin_and_refuse() -> None:
        worker.bridge.see_group(STABLE._replace(member_id="the next one"))
        raise kafka_errors.KafkaError("...", kafka_errors.FencedInstanceIdError())

    worker.log.on["offsets"] = rejoin_and_refuse
    answer = worker.complete(0)
    with worker.running():
        assert not await answer
        await until(lambda: worker.bridge.tenures_allowed)
        worker.hold_again(P0)
        assert await worker.complete(0)
    assert len(worker.values()) == 1


@pytest.mark.parametrize("now", [STABLE, STABLE._replace(member_id="", generation_id=-1)])
async def test_a_worker_whose_instance_id_another_process_has_is_fenced(
    monkeypatch: pytest.MonkeyPatch, now: ConsumerGroupMetadata
) -> None:
    """It has no other member id, or none at all; and the transactional id is not taken back."""
    monkeypatch.setattr(producer_module, "OWN_REJOIN_SECONDS", 0.3)
    worker = Publishing()

    def lose_and_refuse() -> None:
        worker.bridge.see_group(now)
        raise kafka_errors.FencedInstanceIdError

    worker.log.on["offsets"] = lose_and_refuse
    answer = worker.complete(0)
    with worker.running():
        assert not await answer
        with pytest.raises(FencedError):
            await failure_of(worker.bridge)
    assert len(worker.log.producers) == 1


async def test_a_producer_that_is_fenced_at_once_says_so() -> None:
    """Another process took the id between our start and our first Kafka transaction."""
    worker = Publishing(init=raising(kafka_errors.ProducerFencedError()))
    with worker.running(), pytest.raises(FencedError):
        await failure_of(worker.bridge)
    assert worker.count("producer_inits", result="fenced") == 1
