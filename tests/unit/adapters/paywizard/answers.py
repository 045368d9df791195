"""Answers of PayWizard as raw bytes, and the policy they are judged by."""

from datetime import UTC, datetime

from worker.adapters.paywizard.classification import ReplyPolicy

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
POLICY = ReplyPolicy(
    refused_codes=frozenset({400, 401, 403, 404, 413, 415, 422}), retry_throttled=True
)
ACCOUNT = "600000000000001"
TX = (
    '"mid":"200000000001","paywizardId":"10000000001","checkoutId":"900000000000000001",'
    '"transIndexCode":"100000000010000000001","amount":"10000"'
)


def envelope(data: str, code: str = "200") -> bytes:
    """An answer's body with `data` and `code` as raw JSON."""
    text = f'{{"code":{code},"msg":"success","timestamp":"2025-07-24 13:06:10","data":{data}}}'
    return text.encode()
