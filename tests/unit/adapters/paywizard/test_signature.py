"""Signature V3 against the vectors of paywizard-api.md section 4."""

import hashlib

import pytest

from worker.adapters.paywizard.signature import sign

CLIENT_ID = "100000000000000001"
CLIENT_SECRET = "0123456789abcdef0123456789abcdef"  # noqa: S105 - made up
PAYMENT = (
    b'{"clientId":"100000000000000001","tranOrderNo":"TEST-0000000001","loyaltyChannel":"FACTOR4",'
    b'"amount":"10.50","tranCurrency":"USD","accountId":"600000000000001","entryType":"K"}'
)
QUERY = b'{"clientId":"100000000000000001","checkoutId":"900000000000000001"}'
ACTIVATION = (
    '{"clientId":"100000000000000001","loyaltyChannel":"FACTOR4","accountId":"600000000000001",'
    '"entryType":"K","activating":"Y","customerInfo":{"firstName":"Zoë"}}'
).encode()


@pytest.mark.parametrize(
    ("body", "length", "signature"),
    [
        pytest.param(
            PAYMENT,
            176,
            "ffa289b21fb7154e12692bf1a6412dae65b1847a56ef9ec36b64ce25dc76684b",
            id="vector-A",
        ),
        pytest.param(
            QUERY,
            67,
            "101ebd2e134f6cb933f5f34925d67c88a86e88f66924cf1fadcfa6e5fbfdf734",
            id="vector-B",
        ),
        pytest.param(
            ACTIVATION,
            159,
            "f7760e6b552e16e42087e1fdb7ac12c473be66f539f577a3d39ca985ddf7d691",
            id="vector-C-raw-utf-8",
        ),
    ],
)
def test_the_signature_is_that_of_the_vector(body: bytes, length: int, signature: str) -> None:
    """V3 is HMAC-SHA256 over the sent bytes, the client id and the secret, keyed by the secret."""
    assert len(body) == length
    assert sign(body, CLIENT_ID, CLIENT_SECRET) == signature


def test_an_unkeyed_hash_is_not_a_signature() -> None:
    """The negative check of vector A: SHA-256 of the right text without the key is not enough."""
    text = PAYMENT + f"&clientId={CLIENT_ID}&clientSecret={CLIENT_SECRET}".encode()
    unkeyed = hashlib.sha256(text).hexdigest()
    assert unkeyed == "37e9fd075c2a3f2a0079891d374f450874ea6bc9461624b8a9df6d64edab71bf"
    assert sign(PAYMENT, CLIENT_ID, CLIENT_SECRET) != unkeyed
