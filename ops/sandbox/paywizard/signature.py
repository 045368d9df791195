"""Signature V3 and the token: who may ask (paywizard-api.md sections 3 and 4)."""

import hashlib
import hmac
from collections.abc import Mapping
from typing import Literal

from ops.sandbox.paywizard.world import Client


class UnauthorisedError(Exception):
    """The token or the signature is not that of the client."""

    def __init__(self, what: Literal["token", "sign"]) -> None:
        super().__init__(f"invalid {what}")
        self.what = what


def sign(body: bytes, client_id: str, client_secret: str) -> str:
    """HMAC-SHA256 over body + `&clientId=` + id + `&clientSecret=` + secret; lower-case hex."""
    suffix = f"&clientId={client_id}&clientSecret={client_secret}"
    return hmac.new(client_secret.encode(), body + suffix.encode(), hashlib.sha256).hexdigest()


def authenticate(
    clients: Mapping[str, Client], client_id: str, body: bytes, headers: Mapping[str, str]
) -> Client:
    """Return the client whose token and signature these are.

    Raises UnauthorisedError. An unknown clientId has no token, so it fails like a wrong one.
    """
    client = clients.get(client_id)
    if client is None or not _same(headers.get("jwt-token", ""), client.jwt_token):
        raise UnauthorisedError("token")
    if not _same(headers.get("sign", ""), sign(body, client.client_id, client.client_secret)):
        raise UnauthorisedError("sign")
    return client


def _same(given: str, right: str) -> bool:
    """Compare in constant time; header bytes that are no text simply differ."""
    return hmac.compare_digest(given.encode(errors="surrogateescape"), right.encode())
