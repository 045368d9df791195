"""Runs the tools that fetch and prepare the sandbox's parts."""

import subprocess
from collections.abc import Sequence
from os import PathLike

from ops.sandbox.kafka.errors import SandboxKafkaError, last_lines


def run_tool(
    command: Sequence[str | PathLike[str]],
    *,
    failure: str,
    seconds_max: float,
    error_type: type[Exception] = SandboxKafkaError,
) -> None:
    """Run `command` to its end.

    `error_type`: it failed or took too long; the message is `failure` and its last lines.
    """
    try:
        tool = subprocess.run(  # noqa: S603 the callers pass no foreign words
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=seconds_max,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise error_type(f"{failure} It took over {seconds_max:.0f} seconds.") from error
    if tool.returncode != 0:
        raise error_type(f"{failure} Its last lines:\n{last_lines(tool.stdout)}")
