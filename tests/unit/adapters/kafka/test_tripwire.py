"""What the hardening leans on in kafka-python 3.0.12: a failure after an upgrade means to read that section again."""

import inspect
import sys
from types import SimpleNamespace
from typing import Any

import kafka
import pytest
from kafka import ConsumerGroupMetadata, KafkaConsumer, KafkaProducer, OffsetAndMetadata
from kafka import errors as kafka_errors
from kafka.cluster import ClusterMetadata
from kafka.consumer.fetcher import Fetcher
from kafka.consumer.subscription_state import SubscriptionState, TopicPartitionState
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
from kafka.coordinator.base import BaseCoordinator
from kafka.coordinator.consumer import ConsumerCoordinator
from kafka.coordinator.heartbeat import Heartbeat
from kafka.net.compat import KafkaNetClient
from kafka.net.inet import KafkaNetSocket
from kafka.partitioner import murmur2
from kafka.producer.sender import Sender
from kafka.producer.transaction_manager import EndTxnHandler, TransactionManager
from kafka.record.default_records import DefaultRecordBatch
from kafka.structs import MemberState


def source(thing: Any) -> str:
    """Return the source text of a function or class."""
    return inspect.getsource(thing)


def parameters(function: Any) -> list[str]:
    """Return the names of a function's parameters."""
    return list(inspect.signature(function).parameters)


@pytest.fixture
def transactions() -> Any:
    """Return the transaction manager of a producer that was never initialised."""
    return TransactionManager(transactional_id="x", api_version=(4, 0))


# Appendix B of the engineering note ─────────────────────────────────────────────────────────


def test_the_version_is_the_one_that_was_examined() -> None:
    """Every other line here is about this very version."""
    assert kafka.__version__ == "3.0.12"


def test_the_calls_of_a_kafka_transaction_have_no_time_limit() -> None:
    """T6: so the watchdog must bound them."""
    offsets = parameters(KafkaProducer.send_offsets_to_transaction)
    assert offsets == ["self", "offsets", "group_metadata"]
    assert parameters(KafkaProducer.commit_transaction) == ["self"]


def test_the_producer_has_a_transaction_timeout_and_no_buffer() -> None:
    """The timeout's option is undocumented; in flight is what we bound ourselves."""
    assert "transaction_timeout_ms" in KafkaProducer.DEFAULT_CONFIG
    assert "buffer_memory" not in KafkaProducer.DEFAULT_CONFIG


def test_the_tuples_of_the_group_are_as_we_fill_and_read_them() -> None:
    """T8: a wrong type in an offset blocks for ever."""
    assert OffsetAndMetadata(5) == (5, "", -1)
    fields = ("group_id", "generation_id", "member_id", "group_instance_id", "state")
    assert ConsumerGroupMetadata._fields == fields
    assert ConsumerGroupMetadata() == (None, -1, "", None, MemberState.UNJOINED)


def test_the_errors_are_related_as_the_defects_need_them() -> None:
    """T1 and T5: a timeout is retriable, a lost answer is no lost connection."""
    assert issubclass(kafka_errors.KafkaTimeoutError, kafka_errors.RetriableError)
    assert not issubclass(kafka_errors.RequestTimedOutError, kafka_errors.KafkaConnectionError)


def test_offsets_of_an_aborted_kafka_transaction_are_kept_for_the_next() -> None:
    """T3: why a producer is never used again after an error."""
    completing = source(TransactionManager._complete_transaction)
    assert "_pending_txn_offset_commits" not in completing


def test_the_client_stays_on_the_first_transaction_protocol() -> None:
    """No epoch per Kafka transaction (KIP-890): so every irregular one gets a new producer."""
    assert "max_version=3" in source(EndTxnHandler)
    assert "max_version = 9" in source(Sender._produce_request)


def test_the_consumer_has_no_wakeup_and_commits_by_itself_unless_told() -> None:
    """Polls must be short, and automatic commits be switched off."""
    assert not hasattr(KafkaConsumer, "wakeup")
    assert KafkaConsumer.DEFAULT_CONFIG["enable_auto_commit"] is True


def test_a_transactional_request_is_sent_as_the_hardening_expects() -> None:
    """T11 and T12: an exception drops the request, and every retry sleeps the back-off."""
    sending = source(Sender._maybe_send_pending_request)
    assert "time.sleep(self.config['retry_backoff_ms'] / 1000)" in sending
    assert sending.count("target_node = None") == 2
    assert "except Exception as e" in sending


def test_failed_batches_are_classified_in_one_place_only() -> None:
    """The hook of `harden` sees every batch that has finally failed."""
    assert source(Sender).count(".classify_batch_error(") == 1


@pytest.mark.parametrize(
    ("error", "unhardened"),
    [
        (kafka_errors.KafkaTimeoutError, "RETRIABLE"),  # T1
        (kafka_errors.OutOfOrderSequenceNumberError, "NEEDS_EPOCH_BUMP"),  # T2
    ],
)
def test_a_failed_batch_would_not_be_fatal_by_itself(
    transactions: Any, error: type[Exception], unhardened: str
) -> None:
    """Should these become fatal upstream, `harden` is no longer needed."""
    batch = SimpleNamespace(topic_partition=("t", 0))
    assert transactions.classify_batch_error(error, batch) == unhardened


def test_keys_are_partitioned_as_java_does() -> None:
    """The vectors of Java's UtilsTest: commands of one card stay on one partition."""
    signed = [(murmur2(key) ^ 0x80000000) - 0x80000000 for key in (b"21", b"foobar", b"abc")]
    assert signed == [-973932308, -790332482, 479470107]


# Private parts that `hardened` touches ──────────────────────────────────────────────────────


def test_harden_finds_what_it_replaces(transactions: Any) -> None:
    """The producer keeps its parts under these names, and calls them through them."""
    making = source(KafkaProducer.__init__)
    assert "self._transaction_manager = TransactionManager(" in making
    assert "self._sender = Sender(" in making
    assert "self._client = client" in source(Sender.__init__)
    assert "self._client.await_ready(" in source(Sender._maybe_send_pending_request)
    assert "raise Errors.KafkaConnectionError" in source(KafkaNetClient.await_ready)
    assert "classify_batch_error" not in vars(transactions)  # so ours hides the method
    assert TransactionManager.ERROR_CLASS_FATAL == "FATAL"


def test_the_last_error_is_kept_where_fenced_looks(transactions: Any) -> None:
    """A fence may show nowhere else (T9)."""
    fence = kafka_errors.ProducerFencedError()
    assert transactions.last_error is None
    transactions.transition_to_fatal_error(fence)
    assert transactions.last_error is fence


def test_discard_finds_what_it_stops() -> None:
    """T7: close() may leave a running sender, so the sender itself is stopped."""
    assert "self._force_close = True" in source(Sender.force_close)
    assert "abort_incomplete_batches" in source(Sender.run)
    assert callable(Sender.join)
    assert "self._closed = True" in source(KafkaProducer.close)
    assert "atexit.unregister" in source(KafkaProducer._unregister_cleanup)


def test_harden_consumer_finds_what_it_replaces() -> None:
    """C9: the join asks `need_rejoin` through the instance, and `rejoining` outlives a poll."""
    assert "self._coordinator = ConsumerCoordinator(" in source(KafkaConsumer.__init__)
    assert "while self.need_rejoin():" in source(BaseCoordinator.join_group_async)
    assert "if self.need_rejoin():" in source(ConsumerCoordinator.poll)
    assert "rejoining" not in source(ConsumerCoordinator.need_rejoin)
    assert "self.rejoining = False" in source(BaseCoordinator.__init__)


def test_a_member_claims_what_it_was_given_last() -> None:
    """Even if it was expelled since; the join asks through the instance."""
    assert "protocols=self.group_protocols()," in source(BaseCoordinator)
    assert "self._assignors[assignor].metadata(" in source(ConsumerCoordinator.group_protocols)
    assert "for tp in self.member_assignment:" in source(CooperativeStickyAssignor.metadata)
    lost = source(ConsumerCoordinator._on_join_prepare_async)
    assert "member_assignment" not in lost
    assert "self._subscription.assign_from_subscribed([])" in lost


def test_the_leader_s_assignment_is_made_where_it_is_noted() -> None:
    """Through the instance, and by a leader that knows itself as one."""
    assert "group_assignment = self._perform_assignment(" in source(BaseCoordinator)
    giving = source(ConsumerCoordinator._perform_assignment)
    assert "self._is_leader = True" in giving
    assert "self._assignment_snapshot = self._metadata_snapshot" in giving
    assert "return group_assignment" in giving


def test_a_fenced_static_member_is_stable_without_heartbeats() -> None:
    """C5: only joining, falling out, closing and the fence stop them."""
    beating = source(BaseCoordinator._do_heartbeat)
    fence = beating.index("isinstance(exc, Errors.FencedInstanceIdError)")
    assert "self._disable_heartbeat()" in beating[fence:]
    assert source(BaseCoordinator).count("self._disable_heartbeat()") == 3
    assert "self._heartbeat_enabled = False" in source(BaseCoordinator._disable_heartbeat)
    assert "self.state is MemberState.STABLE" in source(BaseCoordinator.stable)


def test_parked_records_come_back_only_where_the_place_in_line_is_none() -> None:
    """What is used up is false but not None, and a poll asks through the instance."""
    used_up = Fetcher.PartitionRecords(0, ("t", 0), None)
    used_up.drain()
    assert not used_up
    assert used_up is not None
    restoring = "if self._next_partition_records is None:"
    assert restoring in source(Fetcher.fetched_records)
    assert "self._next_partition_records = None" in source(Fetcher.__init__)
    assert source(Fetcher.fetch_records).count("self.fetched_records(") == 2
    assert "self._fetcher = Fetcher(" in source(KafkaConsumer.__init__)


def test_the_cluster_knows_topics_by_their_ids() -> None:
    """Records carry no topic id; an unknown one is None."""
    assert "self._cluster = " in source(KafkaConsumer.__init__)
    assert parameters(ClusterMetadata.topic_id) == ["self", "topic_name"]
    assert ClusterMetadata().topic_id("nowhere") is None


def test_a_record_is_read_by_a_method_that_moves_on_only_at_its_end() -> None:
    """So a header name that is no UTF-8 can be read again, from a buffer that decodes anything."""
    reading = inspect.getsource(sys.modules[DefaultRecordBatch.__module__])
    assert 'h_key = buffer[pos: pos + h_key_len].decode("utf-8")' in reading
    assert reading.count("self._pos = pos\n") == 1
    assert "msg = self._read_msg()" in source(DefaultRecordBatch.__next__)


def test_a_join_ends_with_the_rebalance() -> None:
    """The coordinator's part of a poll; the rest of it would go on to the time limit."""
    assert parameters(ConsumerCoordinator.poll) == ["self", "timeout_ms"]
    assert "self.ensure_active_group(" in source(ConsumerCoordinator.poll)


def test_a_socket_that_fails_to_connect_is_left_open() -> None:
    """Should this be closed upstream, `close_what_never_connected` is no longer needed."""
    connecting = inspect.getsource(sys.modules[KafkaNetSocket.__module__])
    assert (
        "return await self.sock_connect(net, sock, sockaddr, timeout_at=timeout_at)"
        in connecting
    )
    assert "close()" not in connecting


# What the consumer thread leans on ──────────────────────────────────────────────────────────


def test_a_poll_looks_for_the_coordinator_before_it_fetches() -> None:
    """So a lost connection that it raises cannot have moved a position past a record."""
    polling = source(KafkaConsumer._poll_once)
    assert polling.index("self._coordinator.poll(") < polling.index("fetch_records(")
    assert "except Errors.KafkaTimeoutError:" in source(ConsumerCoordinator.poll)


def test_a_listener_is_called_only_inside_a_poll() -> None:
    """Tenures begin in the consumer's thread, so no partition comes or goes meanwhile."""
    assert "_on_join_complete_async" in source(BaseCoordinator.join_group_async)
    assert "_on_join_complete_async" not in source(BaseCoordinator._do_join_and_sync_async)


def test_a_partition_that_is_paused_with_a_position_is_left_alone() -> None:
    """What is gained stands still at 0 until its beginning is known; nothing looks for it."""
    subscription = SubscriptionState("none")
    subscription.assignment[("t", 0)] = TopicPartitionState()
    subscription.pause(("t", 0))
    subscription.seek(("t", 0), 0)
    assert subscription.has_all_fetch_positions()
    assert subscription.fetchable_partitions() == []


def test_both_key_and_value_may_be_missing_only_by_way_of_a_serializer() -> None:
    """send() looks at what it is given, not at what becomes of it."""
    sending = source(KafkaProducer.send)
    refusal = "if value is None and key is None:"
    assert sending.index(refusal) < sending.index("self.config['value_serializer']")


def test_the_client_knows_when_a_heartbeat_was_last_answered() -> None:
    """Readiness rests on it: with every broker away the group state stays stable."""
    heartbeat = Heartbeat(session_timeout_ms=10_000, heartbeat_interval_ms=1_000)
    assert not heartbeat.session_timeout_expired()
    heartbeat.last_receive = heartbeat.last_reset = heartbeat.last_receive - 11
    assert heartbeat.session_timeout_expired()
    heartbeat.received_heartbeat()
    assert not heartbeat.session_timeout_expired()
