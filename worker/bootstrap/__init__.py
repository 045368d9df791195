"""Putting a worker together and running it: the only package that knows all the others."""

from worker.bootstrap.running import run

__all__ = ["run"]
