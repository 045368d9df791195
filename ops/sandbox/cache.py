"""What the sandbox fetches from outside, kept in a cache beside the tree: whole or not at all."""

import fcntl
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path


def cache_folder(environment: Mapping[str, str]) -> Path:
    """Return PAYWIZARD_SANDBOX_CACHE, else `paywizard-worker` in the user's cache folder."""
    if own := environment.get("PAYWIZARD_SANDBOX_CACHE"):
        return Path(own).absolute()
    user = environment.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()
    return Path(user).absolute() / "paywizard-worker"


def fetched_once(wanted: Path, fetch: Callable[[Path], None]) -> Path:
    """Return the folder `wanted`, filled now by `fetch` unless it is there.

    It appears whole or not at all, also when two processes fetch at once.
    """
    if not wanted.exists():
        wanted.parent.mkdir(parents=True, exist_ok=True)
        with _locked(_beside(wanted, "lock")):
            if not wanted.exists():  # another process may have fetched it meanwhile
                partial = _beside(wanted, "partial")
                shutil.rmtree(partial, ignore_errors=True)
                fetch(partial)
                partial.rename(wanted)
    return wanted


def _beside(wanted: Path, end: str) -> Path:
    return wanted.with_name(f"{wanted.name}.{end}")


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the kernel lets go of it however we end
        yield
