"""What each client signs and identifies itself with, read again when asked to."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import structlog

from worker.domain.status_queries import Merchant

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """One client's secrets, opaque as PayWizard handed them over, and its limits.

    `concurrency_max` or `requests_per_second_max` None means the limit of all clients.
    ValueError: a token that no header can carry; the sentence names the client and shows no
    secret.
    """

    client_id: str
    client_secret: str = field(repr=False)
    jwt_token: str = field(repr=False)
    loyalty_channel: str
    mid: str | None = None
    concurrency_max: int | None = None
    requests_per_second_max: float | None = None

    def __post_init__(self) -> None:
        if not (self.jwt_token.isascii() and self.jwt_token.isprintable()):
            raise ValueError(f"the jwtToken of client {self.client_id} is not printable ASCII")


class UnknownClientError(LookupError):
    """No client of that id is configured."""


class Credentials:
    """The credentials of all clients, as `load` last gave them."""

    def __init__(self, load: Callable[[], Iterable[Credential]]) -> None:
        """`load` reads them anew; what it raises says why in a text that shows no secret."""
        self._load = load
        self._by_client = _by_client(load())

    @property
    def client_ids(self) -> tuple[str, ...]:
        """All known clients."""
        return tuple(self._by_client)

    def of(self, client_id: str) -> Credential:
        """Return a client's credential. Raises UnknownClientError."""
        try:
            return self._by_client[client_id]
        except KeyError:
            raise UnknownClientError(client_id) from None

    def channel_of(self, client_id: str) -> str | None:
        """Name a client's own loyalty channel, or None for a client nobody configured."""
        credential = self._by_client.get(client_id)
        return None if credential is None else credential.loyalty_channel

    def merchant_of(self, client_id: str) -> Merchant | None:
        """Name a client's merchant, where it is configured."""
        credential = self._by_client.get(client_id)
        if credential is None or credential.mid is None:
            return None
        alike = sum(other.mid == credential.mid for other in self._by_client.values())
        return Merchant(credential.mid, is_shared=alike > 1)

    def reload(self) -> bool:
        """Read the secrets again; False, and a line in the log, if what is there is unusable.

        May block on files; safe in any thread. A client that is no longer there is kept until
        the worker starts again: commands of it may be on their way.
        """
        try:
            loaded = _by_client(self._load())
        except Exception as error:  # noqa: BLE001 - a refused call must not fail over it
            log.warning("paywizard.credentials_unusable", fault=str(error))
            return False
        known = self._by_client | loaded
        if known != self._by_client:
            log.info("paywizard.credentials_reloaded")
        self._by_client = known
        return True


def _by_client(credentials: Iterable[Credential]) -> dict[str, Credential]:
    return {credential.client_id: credential for credential in credentials}
