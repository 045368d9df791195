"""Each setting: its default, what it accepts and what it refuses."""

import pytest

from tests.unit.settings.environments import SASL, Load
from worker.application.ports import OutputTopic
from worker.domain.operations import Operation


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("kafka_topic_prefix", "paywizard."),
        ("kafka_security_protocol", "PLAINTEXT"),
        ("kafka_session_timeout_seconds", 30),
        ("kafka_commit_interval_seconds", 0.05),
        ("http_host", "0.0.0.0"),  # noqa: S104 - the documented default
        ("http_port", 8080),
        ("paywizard_connect_timeout_seconds", 5),
        ("paywizard_read_timeout_seconds", 60),
        ("paywizard_call_deadline_seconds", 65),
        ("send_deadline_seconds", 10),
        ("lease_seconds", 90),
        ("wait_max_seconds", 86_400),
        ("original_wait_seconds", 60),
        ("paywizard_reload_amount", "send"),
        ("paywizard_voidable", {Operation.PAYMENT, Operation.TIP, Operation.RELOAD}),
        ("paywizard_unknown_originals", "refuse"),
        ("paywizard_retry_throttled", True),
        ("paywizard_refused_codes", {400, 401, 403, 404, 413, 415, 422}),
        ("paywizard_concurrency_max", 256),
        ("paywizard_requests_per_second_max", None),
        ("drain_timeout_seconds", 90),
        ("log_level", "info"),
        ("log_format", "json"),
    ],
)
def test_defaults_are_those_that_users_were_told(
    load: Load, name: str, expected: object
) -> None:
    """Defaults are part of the interface."""
    assert getattr(load(), name) == expected


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"KAFKA_BOOTSTRAP_SERVERS": "broker"}, "must be host:port"),
        ({"KAFKA_BOOTSTRAP_SERVERS": ","}, "must name at least one"),
        ({"KAFKA_TOPIC_PREFIX": "pay wizard"}, "may hold letters"),
        ({"KAFKA_COMMAND_TOPICS": "commands.payment,outcomes.results"}, "other records"),
        ({"KAFKA_COMMAND_TOPICS": "commands.resolution"}, "other records"),
        ({"KAFKA_COMMAND_TOPICS": "paywizard.commands.card"}, "without KAFKA_TOPIC_PREFIX"),
        ({"KAFKA_SECURITY_PROTOCOL": "TLS"}, "must be 'PLAINTEXT'"),
        ({"KAFKA_SASL_PASSWORD": "planted"}, "unused with KAFKA_SECURITY_PROTOCOL=PLAINTEXT"),
        ({"KAFKA_SSL_CAFILE": __file__}, "unused with KAFKA_SECURITY_PROTOCOL=PLAINTEXT"),
        (
            {"KAFKA_SECURITY_PROTOCOL": "SSL", "KAFKA_SSL_CAFILE": "/nowhere/ca.pem"},
            "path does not point to a file",
        ),
        (
            {"KAFKA_SECURITY_PROTOCOL": "SSL", "KAFKA_SSL_CERTFILE": __file__},
            "goes with KAFKA_SSL_CERTFILE",
        ),
        ({"KAFKA_SESSION_TIMEOUT_SECONDS": "5"}, "must be greater than or equal to 6"),
        ({"PAYWIZARD_CALL_DEADLINE_SECONDS": "nan"}, "must be"),
        (
            {"PAYWIZARD_CALL_DEADLINE_SECONDS": "80"},
            "must exceed SEND_DEADLINE_SECONDS and",
        ),
        (
            {"SEND_DEADLINE_SECONDS": "25"},
            "must exceed SEND_DEADLINE_SECONDS and",
        ),
        ({"LEASE_SECONDS": "75"}, "PAYWIZARD_CALL_DEADLINE_SECONDS together (75)"),
        ({"SEND_DEADLINE_SECONDS": "0"}, "must be greater than 0"),
        ({"PAYWIZARD_READ_TIMEOUT_SECONDS": "0"}, "must be greater than 0"),
        ({"PAYWIZARD_VOIDABLE": "payment,void"}, "must be one of"),
        ({"PAYWIZARD_VOIDABLE": "inquiry"}, "must be one of"),
        ({"PAYWIZARD_REFUSED_CODES": "400 200"}, "does not prove"),
        ({"PAYWIZARD_REFUSED_CODES": "429"}, "does not prove"),
        ({"PAYWIZARD_REFUSED_CODES": "503"}, "does not prove"),
        ({"PAYWIZARD_RETRY_THROTTLED": "maybe"}, "must be a valid boolean (default: true)"),
        ({"PAYWIZARD_CONCURRENCY_MAX": "0"}, "must be greater than or equal to 1"),
        ({"PAYWIZARD_REQUESTS_PER_SECOND_MAX": "0"}, "must be greater than or equal to 0.01"),
        ({"PAYWIZARD_REQUESTS_PER_SECOND_MAX": "inf"}, "must be"),
        ({"PAYWIZARD_JWT_TOKEN": "plantéd"}, "must be printable ASCII"),
        ({"PAYWIZARD_JWT_TOKEN": "plan\x7fted"}, "must be printable ASCII"),
        ({"PAYWIZARD_LOYALTY_CHANNEL": ""}, "not set; set it, or PAYWIZARD_CREDENTIALS_FILE"),
        ({"INSTANCE_ID": "two words"}, "without spaces"),
        ({"LOG_LEVEL": "loud"}, "must be 'debug'"),
        ({"LEDGER_URL": "sqlite://"}, "must be sqlite:///PATH"),
        ({"LEDGER_URL": "sqlite:///:memory:"}, "must be sqlite:///PATH"),
        ({"LEDGER_URL": "mysql://u:planted@db/ledger"}, "must be sqlite:///PATH"),
        ({"LEDGER_URL": "postgresql:planted"}, "must be sqlite:///PATH"),
        (
            {"LEDGER_URL": "postgresql://u:planted@[::1/ledger"},
            "must be a URL that libpq takes",
        ),
        (
            {"PAYWIZARD_READ_TIMEOUT_SECOND": "5"},
            "Did you mean PAYWIZARD_READ_TIMEOUT_SECONDS?",
        ),
    ],
)
def test_an_unusable_value_is_one_fault_that_says_what_to_do(
    load: Load, changes: dict[str, str], fault: str
) -> None:
    """Each fault is found alone, and none brings another with it."""
    (found,) = load.faults(changes)
    assert fault in found


@pytest.mark.parametrize(
    "changes",
    [
        {"LEASE_SECONDS": "75.1"},
        {
            "LEASE_SECONDS": "6",
            "SEND_DEADLINE_SECONDS": "1",
            "PAYWIZARD_CALL_DEADLINE_SECONDS": "4",
        },
        {"KAFKA_SESSION_TIMEOUT_SECONDS": "6"},
        {"PAYWIZARD_REQUESTS_PER_SECOND_MAX": "0.5"},
    ],
)
def test_short_limits_are_accepted(load: Load, changes: dict[str, str]) -> None:
    """As short as tests need them, as long as they fit together."""
    settings = load(changes)
    for name, value in changes.items():
        assert getattr(settings, name.lower()) == float(value)


@pytest.mark.parametrize(
    "url",
    [
        "https://portal.paywizard.biz",
        "https://gateway.example/paywizard",
        "http://127.0.0.1:8080",
        "http://localhost:8080",
        "http://[::1]:8080",
    ],
)
def test_paywizard_is_reached_over_https_or_on_this_machine(load: Load, url: str) -> None:
    """G24: plain http goes to loopback only."""
    assert load({"PAYWIZARD_BASE_URL": url + "/"}).paywizard_base_url == url


@pytest.mark.parametrize(
    "url",
    [
        "http://portal.paywizard.biz",
        "http://127.0.0.1.example",
        "http://10.0.0.1",
        "ftp://portal.paywizard.biz",
        "portal.paywizard.biz",
        "https://",
        "https://user:planted@portal.paywizard.biz",
        "https://portal.paywizard.biz?key=1",
        "https://portal.paywizard.biz:port",
    ],
)
def test_any_other_base_url_is_refused(load: Load, url: str) -> None:
    """A URL that would send money over plain http, or carries a secret, is a fault."""
    (found,) = load.faults({"PAYWIZARD_BASE_URL": url})
    assert found.startswith("PAYWIZARD_BASE_URL=")


def test_sasl_needs_mechanism_user_and_password(load: Load) -> None:
    """The Kafka client would not say that they are missing."""
    faults = load.faults({"KAFKA_SECURITY_PROTOCOL": "SASL_SSL"})
    assert [fault.partition(":")[0] for fault in faults] == [
        "KAFKA_SASL_MECHANISM",
        "KAFKA_SASL_USERNAME",
        "KAFKA_SASL_PASSWORD",
    ]


def test_connection_values_carry_what_kafka_clients_need(load: Load) -> None:
    """The password is plain there, and only there."""
    settings = load(SASL | {"KAFKA_BOOTSTRAP_SERVERS": "a:1, b:2"})
    assert settings.connection_values() == {
        "bootstrap_servers": ("a:1", "b:2"),
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_username": "worker",
        "sasl_password": "planted-password",
        "ssl_cafile": None,
        "ssl_certfile": None,
        "ssl_keyfile": None,
    }


def test_lists_take_commas_and_spaces(load: Load) -> None:
    """Both ways of writing a list are understood, and operations in any case."""
    settings = load(
        {
            "PAYWIZARD_REFUSED_CODES": "400, 404 5001",
            "PAYWIZARD_VOIDABLE": "Payment issue_points",
        }
    )
    assert settings.paywizard_refused_codes == {400, 404, 5001}
    assert settings.paywizard_voidable == {Operation.PAYMENT, Operation.ISSUE_POINTS}


def test_topics_are_named_with_the_prefix(load: Load) -> None:
    """Command topics are given without the prefix; all full names begin with it."""
    settings = load({"KAFKA_TOPIC_PREFIX": "shop.", "KAFKA_COMMAND_TOPICS": "commands.all"})
    assert settings.command_topics() == ("shop.commands.all",)
    assert settings.output_topic(OutputTopic.RESULTS) == "shop.outcomes.results"


def test_the_transactional_id_is_group_and_instance(load: Load) -> None:
    """A restarted slot fences its predecessor, because its id is the same."""
    settings = load({"INSTANCE_ID": "worker-0"})
    assert settings.transactional_id == "paywizard-worker.worker-0"
    assert load({"INSTANCE_ID": None}).instance_id
