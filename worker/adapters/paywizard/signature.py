"""Signature V3: proof that a body comes from a client (paywizard-api.md section 4)."""

import hashlib
import hmac


def sign(body: bytes, client_id: str, client_secret: str) -> str:
    """HMAC-SHA256, keyed by the secret, over body, client id and secret; 64 lower-case hex digits.

    `body` must be the very bytes that are sent: the server signs what it receives.
    """
    signed = body + f"&clientId={client_id}&clientSecret={client_secret}".encode()
    return hmac.new(client_secret.encode(), signed, hashlib.sha256).hexdigest()
