"""The one error of the sandbox's Kafka, and the end of a log that belongs into its message."""

_LINES_SHOWN = 20


class SandboxKafkaError(Exception):
    """No Kafka could be had; the message says why and what to do."""


def last_lines(log: str) -> str:
    """Return the last lines of `log`."""
    return "\n".join(log.splitlines()[-_LINES_SHOWN:]) or "(nothing)"
