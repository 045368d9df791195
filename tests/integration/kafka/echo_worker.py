"""A member in a process of its own: `echo_worker BOOTSTRAP PREFIX NAME CALL before|after all|odd`.

It says "reached" when its producer reaches CALL for the first time, and goes on when it gets a line.
"""

import asyncio
import sys

from tests.integration.kafka.members import Member, Place, echo, echo_odd, interrupted
from worker.adapters.kafka.connection import KafkaConnection


def stand_still() -> None:
    """Say so, and wait for a line or the end."""
    print("reached", flush=True)  # noqa: T201 - what the parent waits for
    sys.stdin.readline()


async def main(
    bootstrap_servers: str, prefix: str, name: str, call: str, when: str, which: str
) -> None:
    """Work until killed, or until a thread fails."""
    place = Place(
        KafkaConnection(bootstrap_servers=(bootstrap_servers,)),
        f"{prefix}group",
        f"{prefix}commands",
        f"{prefix}results",
    )
    trouble = interrupted(call, stand_still, after=when == "after")
    answer = echo_odd if which == "odd" else echo
    member = Member(place, name, answer=answer, make_producer=trouble)
    await member.start().failure(seconds_max=90)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
