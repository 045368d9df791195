"""The credentials of the clients, and reading them again."""

from collections.abc import Iterable

import pytest

from worker.adapters.paywizard.credentials import Credential, Credentials, UnknownClientError
from worker.domain.status_queries import Merchant


def credential(
    client_id: str = "one",
    jwt_token: str = "TOKEN",  # noqa: S107 - made up
    mid: str | None = None,
) -> Credential:
    """A client's credential."""
    return Credential(
        client_id=client_id,
        client_secret="hush",  # noqa: S106 - made up
        jwt_token=jwt_token,
        loyalty_channel="FACTOR4",
        mid=mid,
    )


class Source:
    """Where credentials are read from; `held` may also be a fault."""

    def __init__(self, *held: Credential) -> None:
        self.held: Iterable[Credential] | Exception = held

    def load(self) -> Iterable[Credential]:
        """Give what is held."""
        if isinstance(self.held, Exception):
            raise self.held
        return self.held


def test_a_known_client_has_its_credential_and_channel() -> None:
    """Each client signs with its own secret."""
    credentials = Credentials(Source(credential("one"), credential("two")).load)
    assert credentials.of("two") == credential("two")
    assert credentials.channel_of("one") == "FACTOR4"
    assert credentials.client_ids == ("one", "two")


def test_an_unknown_client_is_none_or_an_error() -> None:
    """The application asks for the channel first; a call for an unknown client is our mistake."""
    credentials = Credentials(Source(credential()).load)
    assert credentials.channel_of("nobody") is None
    with pytest.raises(UnknownClientError):
        credentials.of("nobody")


def test_a_merchant_is_known_and_known_to_be_shared() -> None:
    """P14: of one that several clients name, an order that is found may be any of theirs."""
    source = Source(
        credential("one", mid="M-1"), credential("two", mid="M-2"), credential("no")
    )
    credentials = Credentials(source.load)
    assert credentials.merchant_of("one") == Merchant("M-1", is_shared=False)
    assert credentials.merchant_of("no") is None
    assert credentials.merchant_of("nobody") is None
    source.held = (credential("three", mid="M-1"),)
    assert credentials.reload()
    for client_id in ("one", "three"):
        assert credentials.merchant_of(client_id) == Merchant("M-1", is_shared=True)
    assert credentials.merchant_of("two") == Merchant("M-2", is_shared=False)


def test_reload_takes_what_is_there_now() -> None:
    """A token can be replaced, and a client added, without a restart."""
    source = Source(credential())
    credentials = Credentials(source.load)
    source.held = (credential("one", "NEW"), credential("two"))
    assert credentials.reload()
    assert credentials.of("one") == credential("one", "NEW")
    assert credentials.channel_of("two") == "FACTOR4"


class OddError(Exception):
    """An error of whoever reads the settings."""


@pytest.mark.parametrize(
    "fault", [ValueError("is not JSON"), OSError(2, "No such file"), OddError("2 faults")]
)
def test_reload_keeps_what_it_had_when_the_source_is_unusable(fault: Exception) -> None:
    """A half-written file must not take a working client away."""
    source = Source(credential())
    credentials = Credentials(source.load)
    source.held = fault
    assert not credentials.reload()
    assert credentials.of("one") == credential()


def test_reload_forgets_no_client() -> None:
    """Commands of a removed client may be on their way; it goes with the next start."""
    source = Source(credential("one"), credential("two"))
    credentials = Credentials(source.load)
    source.held = (credential("one"),)
    assert credentials.reload()
    assert credentials.channel_of("two") == "FACTOR4"


@pytest.mark.parametrize("token", ["with\nnewline", "über"])
def test_a_token_that_no_header_can_carry_is_refused_at_once(token: str) -> None:
    """Found at the first call it would leave a payment in doubt. The token is not shown."""
    with pytest.raises(ValueError, match="client one") as caught:
        credential("one", token)
    assert token not in str(caught.value)


def test_a_credential_shows_no_secret() -> None:
    """P10."""
    assert "hush" not in repr(credential())
    assert "TOKEN" not in repr(credential())
