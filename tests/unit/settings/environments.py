"""A complete environment, and loading settings from changes to it."""

from collections.abc import Mapping

import pytest

from worker.settings import Settings, SettingsError, load_settings

COMPLETE = {
    "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9092",
    "KAFKA_GROUP_ID": "paywizard-worker",
    "LEDGER_URL": "sqlite:////var/lib/paywizard-worker/ledger.db",
    "PAYWIZARD_BASE_URL": "https://portal.paywizard.biz",
    "PAYWIZARD_CLIENT_ID": "100000000000000001",
    "PAYWIZARD_CLIENT_SECRET": "planted-secret",
    "PAYWIZARD_JWT_TOKEN": "planted-token",
    "PAYWIZARD_LOYALTY_CHANNEL": "FACTOR4",
}
SASL = {
    "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
    "KAFKA_SASL_MECHANISM": "SCRAM-SHA-512",
    "KAFKA_SASL_USERNAME": "worker",
    "KAFKA_SASL_PASSWORD": "planted-password",
}
CLIENT = {
    "clientId": "1",
    "clientSecret": "planted-secret",
    "jwtToken": "planted-token",
    "loyaltyChannel": "FACTOR4",
}
NO_CLIENT = {
    name: None for name in COMPLETE if name.startswith("PAYWIZARD_") and "URL" not in name
}


class Load:
    """Loads settings from a complete environment with some changes; None takes a name away."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch

    def __call__(self, changes: Mapping[str, str | None] | None = None) -> Settings:
        for name, value in {**COMPLETE, **(changes or {})}.items():
            if value is None:
                self._monkeypatch.delenv(name, raising=False)
            else:
                self._monkeypatch.setenv(name, value)
        return load_settings(Settings)

    def faults(self, changes: Mapping[str, str | None]) -> tuple[str, ...]:
        with pytest.raises(SettingsError) as raised:
            self(changes)
        assert "planted" not in str(raised.value)
        return raised.value.faults
