"""Plays the mix: sends it at a pace that one can watch, and waits until the worker has done all of it."""

import time
from collections import deque
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from rich.console import Console
from rich.live import Live

from ops.sandbox.demo.board import Board
from ops.sandbox.demo.doubt import Desk, PowerCut
from ops.sandbox.demo.mix import follow_ups, make_mix
from ops.sandbox.demo.stage import Stage
from ops.sandbox.following import RESULTS, Follower, Sender, WaitedInVainError
from ops.sandbox.sending import Sending

RECORDS_PER_SECOND: Final = 60
PROGRESS_SECONDS_MAX: Final = 60.0
"""Longest time in which nothing more is completed; the longest honest wait is for an original."""
LINE_SECONDS: Final = 2.0
"""Between two lines where there is no terminal."""
LOG_LINES: Final = 60
"""How long the last drawing may be where there is no terminal."""


@dataclass(frozen=True, slots=True)
class Played:
    """How many records were sent, and how long it took from the first to the last completion."""

    records: int
    seconds: float


def play(stage: Stage, seed: int, console: Console) -> Played:
    """Send everything and wait for it.

    Once in between the worker is killed; what stays in doubt, an operator settles.
    WaitedInVainError: the worker does not get on. ChildError: it ended, or refused the operator.
    """
    mix = make_mix(stage.world, seed, _now())
    lines = console.height if console.is_terminal else LOG_LINES
    board = Board(len(mix.sendings), lines)
    to_send = deque(mix.sendings)
    started = completed_at = time.monotonic()
    with ExitStack() as stack:
        sender = stack.enter_context(Sender(stage.kafka, stage.prefix))
        follower = stack.enter_context(Follower(stage.kafka, stage.prefix, stage.group))
        show = stack.enter_context(_Screen(console, board))
        patience = _Patience(board)
        power_cut = PowerCut(stage=stage, console=console)
        desk = Desk(stage=stage, console=console)
        complete = False
        while to_send or not complete or board.doubt.open:
            _send_what_is_due(sender, to_send, board, time.monotonic() - started)
            incomplete = follower.incomplete()
            if incomplete or to_send:
                completed_at = time.monotonic()
            complete = not incomplete
            for seen in follower.read():
                board.saw(seen)
                if seen.topic == RESULTS:
                    more = list(follow_ups(mix, [seen.fields], _now()))
                    to_send.extend(more)
                    board.records += len(more)
            board.update(incomplete)
            show.draw()
            power_cut.strike(board.sent / board.records)
            desk.attend(board.doubt.in_doubt)
            patience.check(stage)
    return Played(board.sent, completed_at - started)


def _send_what_is_due(
    sender: Sender, to_send: deque[Sending], board: Board, seconds: float
) -> None:
    due = int(seconds * RECORDS_PER_SECOND) + 1 - board.sent
    batch = [to_send.popleft() for _ in range(min(due, len(to_send)))]
    sender.send(*batch)
    board.sent += len(batch)


class _Patience:
    """Ends the wait for a worker that has ended or does not get on."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._done = -1
        self._until = 0.0

    def check(self, stage: Stage) -> None:
        if not stage.worker.running:
            raise stage.worker.error(
                f"ended with {stage.worker.end(0)} in the middle of its work"
            )
        done = self._board.completed + self._board.refreshed + len(self._board.doubt.settled)
        if done > self._done:
            self._done, self._until = done, time.monotonic() + PROGRESS_SECONDS_MAX
        elif time.monotonic() > self._until:
            waiting = self._board.waiting()
            raise WaitedInVainError(
                f"Nothing was completed for {PROGRESS_SECONDS_MAX:.0f} s. {waiting}"
            )


class _Screen:
    """Shows the board: live on a terminal, else now and then as a line, and whole at the end."""

    def __init__(self, console: Console, board: Board) -> None:
        self._console, self._board = console, board
        self._live = Live(console=console, auto_refresh=False) if console.is_terminal else None
        self._next_line = 0.0

    def __enter__(self) -> "_Screen":
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            self._live.stop()
        else:
            self._console.print(self._board.drawing())

    def draw(self) -> None:
        if self._live:
            self._live.update(self._board.drawing(), refresh=True)
        elif time.monotonic() >= self._next_line:
            self._next_line = time.monotonic() + LINE_SECONDS
            self._console.print(self._board.line(), soft_wrap=True)


def _now() -> datetime:
    return datetime.now(UTC)
