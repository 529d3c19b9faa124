"""Whom PostgreSQL runs as: it refuses uid 0, and the platform must start for root all the same.

As root, in this order:
1. the owner of a data directory that exists already;
2. an unprivileged system account, where it can reach the data directory and the programs;
3. a user namespace in which root's uid is mapped to another (works below /root, where no account
   gets through);
4. an account of our own, made with `useradd`.
"""

from __future__ import annotations

import ctypes
import os
import pwd
import shutil
import signal
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from meterline.store.errors import PostgresUnavailable

_ACCOUNT_NAMES = ("meterline", "postgres")
_CLONE_NEWUSER = 0x10000000  # linux/sched.h
_PR_SET_PDEATHSIG = 1  # linux/prctl.h


@dataclass(frozen=True, slots=True)
class Account:
    """Whom a process runs as. `namespaced`: uid and gid are only what the process itself sees."""

    uid: int
    gid: int
    namespaced: bool = False

    def own(self, path: Path) -> None:
        """Make a directory that nobody else can enter, owned by this account."""
        path.mkdir(mode=0o700, exist_ok=True)
        self.give(path)

    def give(self, path: Path) -> None:
        """Make this account the owner of `path`; a namespaced one owns what we own."""
        if self._switches:
            os.chown(path, self.uid, self.gid)

    def popen_options(self, *, dies_with_parent: signal.Signals | None = None) -> dict[str, Any]:
        """Return arguments of subprocess.Popen that start a process under this account."""
        before = [_enter_namespace(self.uid, self.gid)] if self.namespaced else []
        if dies_with_parent is not None and sys.platform == "linux":
            before.append(_ask_for_signal(dies_with_parent))
        options: dict[str, Any] = {"preexec_fn": _in_turn(before)} if before else {}
        if self._switches:
            options |= {"user": self.uid, "group": self.gid, "extra_groups": []}
        return options

    @property
    def _switches(self) -> bool:
        return not self.namespaced and self.uid != os.getuid()


@contextmanager
def forking() -> Iterator[None]:
    """Around every start of a process with `popen_options`.

    Python 3.12 warns of code between fork and exec beside threads, which may hold locks for ever. Ours
    makes system calls and writes three small files in /proc; it takes no lock of a library.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        yield


def choose_account(
    data_dir: Path, *, owner: int | None, programs: Path, may_create: bool = True
) -> Account:
    """Return the account for a server in `data_dir`; `owner`: the uid of a cluster already there.

    `may_create`: an account of our own may be made, where nothing else is left.
    Raises PostgresUnavailable with what to do when there is none.
    """
    own = Account(os.getuid(), os.getgid())
    if own.uid != 0:
        if owner not in (None, own.uid):
            raise PostgresUnavailable(
                f"{data_dir} belongs to uid {owner}, and you are uid {own.uid}: start as its owner"
            )
        return own
    if owner is not None and owner != 0:
        return _account_of(owner)
    namespaced = Account(1000, 1000, namespaced=True)
    account = _existing_account()
    if owner is None and account is not None and _reaches(account, [data_dir, programs]):
        return account
    if _works(namespaced, programs):
        return namespaced
    if may_create and owner is None and account is None:
        account = _create_account()
        if account is not None and _reaches(account, [data_dir, programs]):
            return account
    raise PostgresUnavailable(
        "PostgreSQL refuses to run as root, no unprivileged account reaches both "
        f"{data_dir} and {programs}, and user namespaces are not available here. "
        "Choose a data directory outside /root, or start as an ordinary user"
    )


def _account_of(uid: int) -> Account:
    try:
        return Account(uid, pwd.getpwuid(uid).pw_gid)
    except KeyError:  # an account that was removed: its number is all that is needed
        return Account(uid, uid)


def _existing_account() -> Account | None:
    for name in _ACCOUNT_NAMES:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(entry.pw_uid, entry.pw_gid)
    return None


def _create_account() -> Account | None:
    useradd = shutil.which("useradd")
    if useradd is None:
        return None
    name = _ACCOUNT_NAMES[0]
    made = subprocess.run(
        [useradd, "--system", "--user-group", "--no-create-home", "--shell", "/bin/false", name],
        check=False,
        capture_output=True,
    )
    return _existing_account() if made.returncode == 0 else None


def _reaches(account: Account, paths: Sequence[Path]) -> bool:
    """Tell whether the account may enter every folder on the way to each path."""
    folders = {folder for path in paths for folder in (path, *path.parents)}
    return all(_enters(account, folder) for folder in folders)


def _enters(account: Account, folder: Path) -> bool:
    status = folder.stat()
    if status.st_uid == account.uid:
        return bool(status.st_mode & 0o100)
    if status.st_gid == account.gid:
        return bool(status.st_mode & 0o010)
    return bool(status.st_mode & 0o001)


def _works(account: Account, programs: Path) -> bool:
    """Try it: whether namespaces are allowed depends on kernel, container and policy."""
    try:
        with forking():
            tried = subprocess.run(
                [programs / "postgres", "--version"],
                check=False,
                capture_output=True,
                **account.popen_options(),
            )
    except (OSError, subprocess.SubprocessError):
        return False
    return tried.returncode == 0


def _in_turn(steps: Sequence[Callable[[], None]]) -> Callable[[], None]:
    def run() -> None:
        for step in steps:
            step()

    return run


def _enter_namespace(uid: int, gid: int) -> Callable[[], None]:
    """Return a step that maps the present uid and gid to `uid` and `gid` (user_namespaces(7))."""
    libc = ctypes.CDLL(None, use_errno=True)
    outer_uid, outer_gid = os.geteuid(), os.getegid()

    def step() -> None:
        if libc.unshare(_CLONE_NEWUSER) != 0:
            raise OSError(ctypes.get_errno(), "unshare")
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{uid} {outer_uid} 1")
        Path("/proc/self/gid_map").write_text(f"{gid} {outer_gid} 1")

    return step


def _ask_for_signal(number: signal.Signals) -> Callable[[], None]:
    """Return a step that has the kernel signal this process when its parent thread ends."""
    libc = ctypes.CDLL(None)

    def step() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0)

    return step
