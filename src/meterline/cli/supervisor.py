"""Keeps the processes of `up` running, and ends them in order.

PostgreSQL is a child as well: where it dies it is started again, and recovers, while the roles wait for it and
reconnect by themselves. A role that dies is started again at once, then with growing pauses while it keeps dying.
Nothing outlives the supervisor: the kernel signals the children when it is gone.
Everything happens on one thread, since the kernel's signal comes when the *thread* that started a child ends.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

import structlog

from meterline.store.embedded import EmbeddedPostgres
from meterline.store.errors import PostgresUnavailable

POLL_SECONDS = 0.1
# A role that lived this long was well: its next start is immediate again.
WELL_AFTER_SECONDS = 10.0
PAUSE_SECONDS_MIN = 0.2
PAUSE_SECONDS_MAX = 5.0
# Roles drain, then the database checkpoints; together with its last resort below the 10 s that are
# promised.
ROLES_STOP_SECONDS = 4.0
CRASH_FILE_BYTES_MAX = 1024 * 1024

logger = structlog.get_logger()


class RoleKeepsFailing(Exception):
    """A role died again and again before the platform was ever ready."""


@dataclass(slots=True)
class Role:
    """One child process: its command line, and the file that gets what it says before it can log."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    crash_file: Path
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    start_at: float = 0.0
    pause: float = 0.0
    deaths: int = 0

    def start(self, at: float) -> None:
        """Start the process."""
        if self.crash_file.exists() and self.crash_file.stat().st_size > CRASH_FILE_BYTES_MAX:
            self.crash_file.unlink()
        with self.crash_file.open("ab") as said:
            self.process = subprocess.Popen(
                self.command,
                env=dict(self.environment),
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                start_new_session=True,  # Ctrl-C reaches the supervisor alone, which stops us in order
            )
        self.started_at = at

    def notice_death(self, at: float) -> int | None:
        """Return the exit code of a process that has ended since, and plan the next start."""
        if self.process is None or self.process.poll() is None:
            return None
        code = self.process.returncode
        self.process = None
        self.deaths += 1
        well = at - self.started_at >= WELL_AFTER_SECONDS
        self.pause = 0.0 if well else min(PAUSE_SECONDS_MAX, max(PAUSE_SECONDS_MIN, self.pause * 2))
        self.start_at = at + self.pause
        return code

    def last_words(self) -> str:
        """Return the end of what the process wrote to standard error."""
        if not self.crash_file.exists():
            return ""
        text = self.crash_file.read_text(encoding="utf-8", errors="replace")
        return "\n".join(text.strip().splitlines()[-12:])


def python_role(name: str, number: int, environment: Mapping[str, str], logs: Path) -> Role:
    """Return a role of this program: `meterline serve`, `work` (of which there may be several) or `rate`."""
    label = name if number == 0 else f"{name}-{number + 1}"
    return Role(
        name=label,
        command=[sys.executable, "-m", "meterline.cli.main", name],
        environment={**environment, "METERLINE_LOG_FILE": str(logs / f"{label}.log")},
        crash_file=logs / f"{label}.stderr",
    )


@dataclass(slots=True)
class Supervisor:
    """Runs `roles`, and `postgres` where it is embedded (and started already)."""

    roles: Sequence[Role]
    postgres: EmbeddedPostgres | None
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    stopping: bool = field(default=False, init=False)

    def watch_signals(self) -> None:
        """Stop at SIGTERM, SIGINT or SIGHUP, unless it is ignored, as under nohup."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._stop_at_signal)

    def run(self, *, ready: Callable[[], bool], on_ready: Callable[[], None]) -> None:
        """Run until told to stop; `on_ready` is called once, when `ready` first says so.

        Raises RoleKeepsFailing if a role dies five times before that.
        """
        announced = False
        while not self.stopping:
            self._keep_postgres()
            self._keep_roles(announced=announced)
            if not announced and ready():
                announced = True
                on_ready()
            self.sleep(POLL_SECONDS)

    def stop(self) -> None:
        """End every role at once, killing what does not end in time, then PostgreSQL."""
        running = [role.process for role in self.roles if role.process is not None]
        for process in running:
            process.terminate()
        deadline = self.monotonic() + ROLES_STOP_SECONDS
        for process in running:
            try:
                process.wait(max(0.0, deadline - self.monotonic()))
            except subprocess.TimeoutExpired:
                logger.warning("role_killed", pid=process.pid)
                process.kill()
                process.wait()
        if self.postgres is not None:
            self.postgres.stop()

    def _stop_at_signal(self, _: int, __: FrameType | None) -> None:
        self.stopping = True

    def _keep_postgres(self) -> None:
        if self.postgres is None or self.postgres.running:
            return
        logger.error("postgres_died")
        try:
            self.postgres.start(cancelled=lambda: self.stopping)
        except PostgresUnavailable as error:  # such as a full disk: tried again until told to stop
            logger.error("postgres_not_restarted", error=str(error))
            self.sleep(1.0)
        else:
            logger.info("postgres_restarted", pid=self.postgres.pid)

    def _keep_roles(self, *, announced: bool) -> None:
        at = self.monotonic()
        for role in self.roles:
            code = role.notice_death(at)
            if code is not None:
                logger.error("role_died", role=role.name, exit_code=code, restart_in=role.pause)
                if not announced and role.deaths >= 5:
                    raise RoleKeepsFailing(
                        f"`{role.name}` ended {role.deaths} times, last with status {code}:\n"
                        + role.last_words()
                    )
            if role.process is None and at >= role.start_at:
                role.start(at)
                assert role.process is not None
                logger.info("role_started", role=role.name, pid=role.process.pid)


def child_environment(
    inherited: Mapping[str, str], settings: Mapping[str, str], *, pid: int
) -> dict[str, str]:
    """Return the variables of a child: the supervisor's own, its settings, and whom not to outlive."""
    return {**inherited, **settings, "METERLINE_SUPERVISOR_PID": str(pid)}
