"""Credentials come from four variables or from one file, and faults quote nothing."""

import json
from pathlib import Path

import pytest

from tests.unit.settings.environments import CLIENT, NO_CLIENT, Load


def test_a_single_client_is_the_default_client(load: Load) -> None:
    """Four variables make one client's credentials."""
    credentials = load({"PAYWIZARD_MID": "200000000001"}).credentials()
    (client,) = credentials.clients
    assert credentials.default == client.client_id == "100000000000000001"
    assert client.client_secret.get_secret_value() == "planted-secret"
    assert client.mid == "200000000001"
    assert client.concurrency_max is None
    assert client.requests_per_second_max is None


def test_credentials_of_several_clients_come_from_a_file(load: Load, tmp_path: Path) -> None:
    """The file is read again whenever it is asked for."""
    file = tmp_path / "credentials.json"
    other = CLIENT | {"clientId": "2", "concurrencyMax": 8, "requestsPerSecondMax": 2.5}
    file.write_text(json.dumps({"default": "2", "clients": [CLIENT, other]}))
    settings = load(NO_CLIENT | {"PAYWIZARD_CREDENTIALS_FILE": str(file)})
    assert [client.client_id for client in settings.credentials().clients] == ["1", "2"]
    limited = settings.credentials().clients[1]
    assert (limited.concurrency_max, limited.requests_per_second_max) == (8, 2.5)
    file.write_text(json.dumps({"default": "1", "clients": [CLIENT]}))
    assert settings.credentials().default == "1"
    assert "planted" not in repr(settings.credentials())


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ("{", "is not JSON (line 1)"),
        ("[]", "must be a valid dictionary"),
        (json.dumps({"default": "1", "clients": []}), "clients: tuple should have at least 1"),
        (json.dumps({"default": "9", "clients": [CLIENT]}), "default names none"),
        (json.dumps({"default": "1", "clients": [CLIENT, CLIENT]}), "clientId occurs twice"),
        *(
            (
                json.dumps({"default": "1", "clients": [CLIENT | {"jwtToken": token}]}),
                "clients.0.jwtToken: must be printable ASCII, because it travels in an HTTP header",
            )
            for token in ("planted\n", "plan\tted", "plantéd")
        ),
        *(
            (
                json.dumps({"default": "1", "clients": [CLIENT | {"jwtToken": token}]}),
                "clients.0.jwtToken: must not be empty",
            )
            for token in ("", " planted")
        ),
        *(
            (
                json.dumps(
                    {"default": "1", "clients": [{**CLIENT, "requestsPerSecondMax": rate}]}
                ),
                "clients.0.requestsPerSecondMax: must be",
            )
            for rate in (0, -1, 20_000, "planted")
        ),
        (
            json.dumps({"default": "1", "clients": [{**CLIENT, "requestsPerMinuteMax": 5}]}),
            "clients.0.requestsPerMinuteMax: extra inputs are not permitted",
        ),
        (
            json.dumps({"default": "1", "clients": [{"clientId": 1}]}),
            "clients.0.clientId: must be a valid string; clients.0.clientSecret: field required",
        ),
    ],
)
def test_a_bad_credentials_file_is_a_fault_that_quotes_nothing(
    load: Load, tmp_path: Path, content: str, fault: str
) -> None:
    """The fault says where in the file, never what stands there."""
    file = tmp_path / "credentials.json"
    file.write_text(content)
    (found,) = load.faults(NO_CLIENT | {"PAYWIZARD_CREDENTIALS_FILE": str(file)})
    assert found.startswith(f"PAYWIZARD_CREDENTIALS_FILE='{file}': ")
    assert fault in found


def test_credentials_are_given_in_exactly_one_way(load: Load, tmp_path: Path) -> None:
    """A client beside a credentials file is a fault of each of its variables; so is neither."""
    file = tmp_path / "credentials.json"
    file.write_text(json.dumps({"default": "1", "clients": [CLIENT]}))
    both = load.faults({"PAYWIZARD_CREDENTIALS_FILE": str(file)})
    assert len(both) == len(NO_CLIENT)
    assert all("is set beside PAYWIZARD_CREDENTIALS_FILE" in fault for fault in both)
    neither = load.faults(NO_CLIENT | {"PAYWIZARD_CREDENTIALS_FILE": None})
    assert len(neither) == len(NO_CLIENT)
