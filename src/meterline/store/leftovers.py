"""What a killed PostgreSQL or supervisor leaves in a cluster's folder: a pid file, and processes.

PostgreSQL refuses to start while one of the old processes holds the shared memory, and where the
pid of a stale file was given to another process since. A live process is recognised by its working
directory, which PostgreSQL sets to the cluster's folder; the pid file goes only once none is left.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from meterline.store.errors import PostgresUnavailable

# The kernel tells a postmaster to stop when its supervisor dies; until then it is given time.
_LIVING_POSTMASTER = (
    (None, 1.0),
    (signal.SIGINT, 8.0),
    (signal.SIGQUIT, 3.0),
    (signal.SIGKILL, 3.0),
)
# Children leave once they miss their postmaster, unless they are busy with a query.
_DEAD_POSTMASTER = ((None, 0.5), (signal.SIGQUIT, 1.0), (signal.SIGKILL, 3.0))


def clear_leftovers(
    cluster: Path, socket_dir: Path, *, sleep: Callable[[float], None] = time.sleep
) -> None:
    """Stop whatever still runs on `cluster`, gently first, and remove stale lock files.

    The socket's lock file names a pid as well, and PostgreSQL takes even a zombie's for alive.
    The caller holds the data directory's lock, so nobody rightfully uses the cluster.
    Raises PostgresUnavailable if a process will not go.
    """
    pid_file = cluster / "postmaster.pid"
    postmaster = _postmaster_pid(pid_file)
    living = postmaster in {process.pid for process in _processes(cluster)}
    for number, seconds in _LIVING_POSTMASTER if living else _DEAD_POSTMASTER:
        processes = _processes(cluster)
        if not processes:
            break
        if number is not None:
            _signal(processes, postmaster, number)
        deadline = time.monotonic() + seconds
        while _processes(cluster) and time.monotonic() < deadline:
            sleep(0.02)
    left = [process.pid for process in _processes(cluster)]
    if left:
        raise PostgresUnavailable(f"processes {left} still use {cluster} and do not end")
    for stale in (pid_file, *socket_dir.glob(".s.PGSQL.*")):
        stale.unlink(missing_ok=True)


def _signal(
    processes: list[psutil.Process], postmaster: int | None, number: signal.Signals
) -> None:
    """Signal the postmaster, which ends its children in order; where it is gone, its children."""
    chosen = [process for process in processes if process.pid == postmaster] or processes
    for process in processes if number is signal.SIGKILL else chosen:
        try:
            process.send_signal(number)
        except psutil.NoSuchProcess:  # gone meanwhile, as wished
            continue


def _postmaster_pid(pid_file: Path) -> int | None:
    try:
        first = pid_file.read_text().partition("\n")[0]
    except FileNotFoundError:
        return None
    return abs(int(first)) if first.strip().lstrip("-").isdigit() else None


def _processes(cluster: Path) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.cwd() == str(cluster) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue  # ended meanwhile, or somebody else's: ours can be read
    return found
