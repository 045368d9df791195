"""Putting a worker together and running it: the only package that knows all the others."""

from worker.bootstrap.exits import CannotGoOnError
from worker.bootstrap.joining import adopt
from worker.bootstrap.running import run

__all__ = ["CannotGoOnError", "adopt", "run"]
