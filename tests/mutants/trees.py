"""Copies of the tree: breaks are made in these only, never where somebody works."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.mutants.mutant import Mutant

ROOT: Final = Path(__file__).parents[2]


def copy_of_root(to: Path) -> Path:
    """Copy what git knows of, and what it would take in, with a link to the environment."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],  # noqa: S607
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        source, target = ROOT / name, to / name
        if source.is_file() and not source.is_symlink():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)
    (to / ".venv").symlink_to(sys.prefix)
    return to


def copy_of(tree: Path, to: Path) -> Path:
    """Copy a tree with all that Python has compiled in it."""
    return shutil.copytree(tree, to, symlinks=True)


@contextmanager
def broken(tree: Path, mutant: Mutant) -> Iterator[None]:
    """Break a tree, and mend it again."""
    path = tree / mutant.file
    text, times = path.read_text(), path.stat()
    # Python compares seconds and sizes: a break within one second could pass for the old file.
    for compiled in (path.parent / "__pycache__").glob(f"{path.stem}.*"):
        compiled.unlink()
    path.write_text(mutant.broken(text))
    try:
        yield
    finally:
        path.write_text(text)
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
