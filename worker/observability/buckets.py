"""The edges of all histograms, in seconds unless said; changing one breaks sums over mixed versions."""

from typing import Final

CALL: Final = (
    *(0.05, 0.1, 0.25, 0.5, 1, 1.5, 2.5, 5, 7.5, 10),
    *(15, 20, 30, 45, 60, 65, 90),  # a 60 s timeout is seen as 60.0x
)
"""Calls of PayWizard, and a command from its claim to its reply."""
END_TO_END: Final = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300, 900, 3600)
"""A command from its record to its outcome, and a balance refresh to its event."""
SQL: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)
KAFKA_TRANSACTION: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
GROUP_ENTRIES: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256)
"""Entries in one group of ledger writes; the last is its bound."""
SOURCES: Final = (1, 2, 5, 10, 20, 50, 100, 200, 500)
"""Source records in one Kafka transaction."""
