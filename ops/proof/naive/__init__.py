"""The worker with the textbook's Kafka loop in place of its own: what the proof must find at fault."""

import sys
from typing import Final

COMMAND: Final = (sys.executable, "-m", "ops.proof.naive", "run")
"""How it is run, in the project's folder."""
