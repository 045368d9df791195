"""Troubles of the workers themselves: killed, held still, told to end, joined by another."""

from typing import Final

from ops.proof.troubles.scene import Blow, Course, Scene, lasting, until
from ops.proof.worker_log import Partition
from ops.proof.workers import Slot

AT_WORK_SHARE: Final = 0.7
"""How often a kill waits until its victim has completed something; else it may strike a start."""
STALL_SECONDS: Final = 9.0
"""Longer than session timeout and lease."""


def kill(scene: Scene, blow: Blow) -> Course:
    """End a worker as a power cut does and start it again at once."""
    victim = scene.chance.choice(scene.crew.slots)
    if scene.chance.random() < AT_WORK_SHARE:
        yield from _until_progress(scene, victim)
    yield from until(victim.is_up, f"{victim.instance} runs")
    blow.hits(victim.instance)
    victim.kill()


def take_over(scene: Scene, blow: Blow) -> Course:
    """End a worker, and start it again only when another has completed something in its place."""
    shares: dict[str, set[Partition]] = {}

    def is_settled() -> bool:
        shares.update(scene.shares())
        return bool(shares)

    yield from until(is_settled, "all workers have partitions")
    victim = scene.chance.choice(scene.crew.slots)
    places = shares[victim.instance]
    others = [slot for slot in scene.crew.slots if slot is not victim]
    blow.hits(victim.instance)
    killed_at = victim.kill_and_close()
    for other in others:
        other.mark(killed_at)

    def taken() -> list[float]:
        found = (other.seconds_until_completed(places, killed_at) for other in others)
        return [seconds for seconds in found if seconds is not None]

    try:
        yield from until(lambda: taken() or scene.is_over(), "another has taken over")
    finally:
        victim.open_again()
    scene.takeovers += sorted(taken())[:1]


def stall(scene: Scene, blow: Blow) -> Course:
    """Hold a worker still for longer than session timeout and lease."""
    victim = scene.chance.choice(scene.crew.slots)
    yield from until(victim.is_at_work, f"{victim.instance} has partitions")
    blow.hits(victim.instance)
    victim.hold()
    yield from lasting(STALL_SECONDS)
    victim.let_go()


def terminate(scene: Scene, blow: Blow) -> Course:
    """Tell a worker to drain and end, and start it again once it has."""
    victim = scene.chance.choice(scene.crew.slots)
    yield from until(victim.is_at_work, f"{victim.instance} has partitions")
    blow.hits(victim.instance)
    try:
        yield from leaving(victim)
    finally:
        victim.open_again()


def visit(scene: Scene, blow: Blow) -> Course:
    """Let one more worker join, work and leave."""
    blow.hits(f"guest-{blow.number}")
    guest = scene.crew.join(blow.target)
    yield from until(guest.is_at_work, f"{guest.instance} has partitions")
    yield from _until_progress(scene, guest)
    yield from leaving(guest)
    scene.crew.dismiss(guest)


def _until_progress(scene: Scene, slot: Slot) -> Course:
    yield from until(
        lambda: slot.has_progressed() or scene.is_idle(),
        f"{slot.instance} has completed a record",
    )


def leaving(*slots: Slot) -> Course:
    """Tell workers to drain and end, and wait until they have."""
    for slot in slots:
        slot.leave()
    names = " and ".join(slot.instance for slot in slots)
    yield from until(lambda: all(slot.is_empty for slot in slots), f"{names} left")
