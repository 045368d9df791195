"""Writes docs/configuration.md from the settings: `python -m ops.docs.configuration`."""

from pathlib import Path
from typing import Final

from worker.settings import settings_table_markdown

PAGE: Final = Path(__file__).parents[2] / "docs" / "configuration.md"

HEAD: Final = """\
# Configuration

Every setting is an environment variable. `paywizard-worker check` names all faults at once, and
so does a start, which then ends with exit code 2. This page is generated: change the code, then
run `python -m ops.docs.configuration`.

- **Files.** Any `NAME` can be read from a file instead: `NAME_FILE` names it, and one line end
  after the content is dropped. Setting both is a fault. Give secrets this way: files do not show
  in process lists.
- **Empty** counts as not set, except where the table says that it may be empty.
- **Lists** have commas or spaces between their values; seconds may have a fraction.
- **Misspelt** names that begin with `PAYWIZARD_` are faults if a setting is called almost so.
- **Tools.** `topics`, `send`, `results` and `balances` need the `KAFKA_` settings of the first
  rows only, `ledger upgrade` only `LEDGER_URL`.

"""

CREDENTIALS: Final = """
## Credentials of several clients

Either the single client's `PAYWIZARD_CLIENT_ID`, `PAYWIZARD_CLIENT_SECRET`,
`PAYWIZARD_JWT_TOKEN`, `PAYWIZARD_LOYALTY_CHANNEL` and perhaps `PAYWIZARD_MID` are set, or
`PAYWIZARD_CREDENTIALS_FILE` names a JSON file. Secrets in files are read again on SIGHUP and
after PayWizard refused a token.

```json
{
  "default": "100000000000000001",
  "clients": [
    {
      "clientId": "100000000000000001",
      "clientSecret": "...",
      "jwtToken": "...",
      "loyaltyChannel": "FACTOR4",
      "mid": "200000000001",
      "concurrencyMax": 64,
      "requestsPerSecondMax": 20
    }
  ]
}
```

`default` is the client of commands without a `clientId`. `mid`, `concurrencyMax` (instead of
`PAYWIZARD_CONCURRENCY_MAX`) and `requestsPerSecondMax` (instead of
`PAYWIZARD_REQUESTS_PER_SECOND_MAX`) may be left out; other keys are faults. The limits are those
of the last start; secrets are read again while the worker runs.
"""


def page() -> str:
    """Return the whole page."""
    return HEAD + settings_table_markdown() + CREDENTIALS


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
