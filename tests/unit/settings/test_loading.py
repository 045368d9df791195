"""All faults come at once, one line each, and no secret is ever shown."""

import pytest

from tests.unit.settings.environments import SASL, Load
from worker.settings import KafkaSettings, LedgerSettings, load_settings


def test_five_broken_settings_are_five_faults_at_once(load: Load) -> None:
    """All faults are reported together, each with name, value and what to do; no secret shows."""
    faults = load.faults(
        {
            "KAFKA_GROUP_ID": None,
            "HTTP_PORT": "99999",
            "PAYWIZARD_BASE_URL": "http://portal.paywizard.biz",
            "PAYWIZARD_CLIENT_SECRET": "planted secret\n",
            "LEASE_SECONDS": "60",
        }
    )
    assert faults == (
        "KAFKA_GROUP_ID: not set, but required. Consumer group of all workers that share the "
        "ledger.",
        "PAYWIZARD_BASE_URL='http://portal.paywizard.biz': plain http is allowed to this machine "
        "only; use https.",
        "PAYWIZARD_CLIENT_SECRET=********: must not be empty, nor hold line ends or spaces "
        "around it.",
        "LEASE_SECONDS='60': must exceed SEND_DEADLINE_SECONDS and "
        "PAYWIZARD_CALL_DEADLINE_SECONDS together (75) (default: 90).",
        "HTTP_PORT='99999': must be less than or equal to 65535 (default: 8080).",
    )


@pytest.mark.parametrize(
    "name",
    ["PAYWIZARD_CLIENT_SECRET", "PAYWIZARD_JWT_TOKEN", "KAFKA_SASL_PASSWORD", "LEDGER_URL"],
)
def test_no_secret_is_ever_shown(load: Load, name: str) -> None:
    """P10: neither a fault nor a printed settings object shows a secret's value."""
    (found,) = load.faults(SASL | {name: "planted \t"})
    assert found.startswith(f"{name}=********: ")
    good = "sqlite:////planted.db" if name == "LEDGER_URL" else "planted"
    settings = load(SASL | {name: good})
    assert "planted" not in repr(settings) + str(settings)


@pytest.mark.parametrize("name", ["PAYWIZARD_SERVICE_HOST", "PAYWIZARD_PORT", "PAYWIZARD_API"])
def test_names_that_resemble_no_setting_are_left_alone(load: Load, name: str) -> None:
    """Kubernetes makes such variables for a service called paywizard."""
    load({name: "1"})


def test_tools_need_only_the_settings_they_use(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sending a command needs no ledger and no credentials, an upgrade no Kafka."""
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:9092")
    monkeypatch.setenv("PAYWIZARD_JWT_TOKN", "1")
    assert load_settings(KafkaSettings).kafka_bootstrap_servers == ("127.0.0.1:9092",)
    monkeypatch.setenv("LEDGER_URL", "sqlite:///ledger.db")
    assert load_settings(LedgerSettings).ledger_url.get_secret_value() == "sqlite:///ledger.db"
