"""The data directory of an `up`: one at a time, and what others find in it.

lock            held (flock) as long as `up` lives, whatever ends it; says who holds it
endpoint.json   where the running platform answers: {"url", "token", "database_url", "pid"}; mode 0600
token           the token of "production" where none was given: made once, kept; mode 0600
logs/           what each role has to say
postgres/       the database
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from meterline.store.errors import DataDirectoryInUse, StoreError


class DataDirectory:
    """One data directory, made where absent."""

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        self._lock: IO[str] | None = None

    @property
    def logs(self) -> Path:
        """The folder of the roles' logs."""
        return self.path / "logs"

    def acquire(self) -> None:
        """Take the directory until this process ends. Raises DataDirectoryInUse naming who has it."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self.logs.mkdir(mode=0o700, exist_ok=True)
            lock = os.fdopen(os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o600), "r+")
        except OSError as error:
            raise StoreError(f"{self.path} cannot be used as data directory: {error}") from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = lock.read().strip() or "another process"
            lock.close()
            raise DataDirectoryInUse(
                f"{self.path} is in use by {holder}; stop that one, or choose another --data-dir"
            ) from None
        self._lock = lock  # closing the file would give the lock back
        self._endpoint.unlink(missing_ok=True)  # of a predecessor that was killed
        self._sign(f"`meterline up` with pid {os.getpid()}, which is starting")

    def announce(self, url: str) -> None:
        """Say in the lock where its holder will listen, for whoever finds the directory taken."""
        self._sign(f"`meterline up` with pid {os.getpid()} at {url}")

    def publish(self, *, url: str, token: str, database_url: str) -> None:
        """Write endpoint.json, whole or not at all."""
        endpoint = {
            "url": url,
            "token": token,
            "database_url": database_url,
            "pid": os.getpid(),
        }
        _write_private(self._endpoint, json.dumps(endpoint) + "\n")

    def release(self) -> None:
        """Take endpoint.json away and give the lock back."""
        if self._lock is not None:
            self._endpoint.unlink(missing_ok=True)
            self._lock.close()
            self._lock = None

    def endpoint(self) -> dict[str, Any] | None:
        """Return what a running platform published, or None."""
        try:
            published: dict[str, Any] = json.loads(self._endpoint.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        return published

    def token(self, new_token: Callable[[], str]) -> str:
        """Return the directory's own token, made at first use."""
        path = self.path / "token"
        if not path.exists():
            _write_private(path, new_token() + "\n")
        return path.read_text(encoding="utf-8").strip()

    def _sign(self, holder: str) -> None:
        assert self._lock is not None
        self._lock.seek(0)
        self._lock.truncate()
        self._lock.write(holder + "\n")
        self._lock.flush()

    @property
    def _endpoint(self) -> Path:
        return self.path / "endpoint.json"


def _write_private(path: Path, text: str) -> None:
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    fresh.replace(path)
