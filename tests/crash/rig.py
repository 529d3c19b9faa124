"""Roles under load against a durable PostgreSQL, killed in every way; and a proxy that loses answers."""

from __future__ import annotations

import signal
import socket
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from tests.support.load import Load
from tests.support.roles import RoleProcess, Tokens, is_metered, start_role

# From a death to the next acknowledgement, and to the next metered event.
PROGRESS_SECONDS_MAX = 15.0


@dataclass
class Rig:
    """`serve`, two `work` and `rate`, each restarted by the test itself, so that it decides with what settings."""

    database_url: str
    folder: Path
    tokens: Tokens
    log_environ: Mapping[str, str] = field(default_factory=dict)  # which log: none, PostgreSQL's
    urls: Mapping[str, str] = field(default_factory=dict)  # of single roles, through a proxy
    roles: dict[str, RoleProcess] = field(default_factory=dict)
    ports: dict[str, int] = field(default_factory=dict)

    def start(self, *names: str, crash_at: str = "") -> None:
        """Start roles: `serve`, `work`, `work-2`, ..., `rate`. `crash_at` is for these and this start alone."""
        for name in names:
            role = name.partition("-")[0]
            self.roles[name] = start_role(
                role,
                self.urls.get(name, self.database_url),
                self.folder,
                port=self.ports.get(name, 0),
                environ={**self.log_environ, "METERLINE_CRASH_AT": crash_at},
            )
            self.ports[name] = self.roles[name].port
        if "serve" in names and not crash_at:
            self.roles["serve"].wait_until_ready()

    @property
    def url(self) -> str:
        """Where `serve` listens, restarted or not."""
        return f"http://127.0.0.1:{self.ports['serve']}"

    def wait_for_death(self, name: str, seconds: float = 20) -> None:
        """Return once the role has died of SIGKILL, which is what a crash point does."""
        role = self.roles[name]
        eventually(lambda: role.ended, seconds, f"{name} did not die")
        assert role.process.returncode == -9, role.output.read_text()[-3000:]

    def stop(self) -> None:
        """Stop what still runs, as gently as it lets us."""
        for role in self.roles.values():
            if not role.ended:
                role.signal(signal.SIGTERM)
        for role in self.roles.values():
            with suppress(Exception):
                role.process.wait(8)
            role.kill()

    def settle(self, load: Load) -> None:
        """End the load, let the pipeline finish, and compare with the books."""
        load.stop()
        eventually(
            lambda: is_metered(self.database_url, self.log_environ), 20, "events are not metered"
        )
        load.check_counted_once(self.database_url, may_halve=bool(self.log_environ))


def eventually(true: Callable[[], bool], seconds: float, otherwise: str) -> None:
    """Return once `true`; fail after `seconds`."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"{otherwise} within {seconds} s"
        time.sleep(0.02)


class LossyProxy:
    """A TCP door to PostgreSQL that can be armed to cut one connection at one message.

    `before`: the message never reaches the server. `after`: it does, and the answer is thrown away.
    `meanwhile`: the message is passed on and the connection cut at once, so that nobody knows.
    """

    def __init__(self, database_url: str) -> None:
        self._target = _socket_of(database_url)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._armed: tuple[bytes, str] | None = None
        self._lock = threading.Lock()
        self._connections: list[socket.socket] = []
        self.fired = 0
        parts = urlsplit(database_url)
        self.url = (
            f"postgresql://{parts.username}@127.0.0.1:{self._listener.getsockname()[1]}{parts.path}"
        )
        threading.Thread(target=self._accept, name="proxy", daemon=True).start()

    def arm(self, marker: bytes, how: str) -> None:
        """Cut the next connection whose client sends `marker`."""
        with self._lock:
            self._armed = (marker, how)

    def close(self) -> None:
        """Close the door and every connection."""
        for one in (self._listener, *self._connections):
            _close(one)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:  # closed
                return
            try:
                server = socket.socket(socket.AF_UNIX)
                server.connect(self._target)
            except OSError:
                _close(client)
                continue
            self._connections += [client, server]
            answers = _Answers(server, client)
            threading.Thread(target=self._forward, args=(client, server, answers)).start()
            threading.Thread(target=answers.forward).start()

    def _forward(self, client: socket.socket, server: socket.socket, answers: _Answers) -> None:
        with suppress(OSError):
            while sent := client.recv(1 << 20):
                how = self._fires(sent)
                if how == "before":
                    break
                if how == "after":
                    answers.swallow.set()
                server.sendall(sent)
                if how == "after":
                    assert answers.swallowed.wait(10), "the server did not answer"
                if how is not None:
                    break
        _close(client)
        _close(server)

    def _fires(self, sent: bytes) -> str | None:
        with self._lock:
            if self._armed is None or self._armed[0] not in sent:
                return None
            (_, how), self._armed = self._armed, None
            self.fired += 1
            return how


class _Answers:
    """The way back from the server."""

    def __init__(self, server: socket.socket, client: socket.socket) -> None:
        self._server, self._client = server, client
        self.swallow = threading.Event()
        self.swallowed = threading.Event()

    def forward(self) -> None:
        with suppress(OSError):
            while answer := self._server.recv(1 << 20):
                if self.swallow.is_set():
                    # An answer may come in pieces; the last of them says that the server is ready.
                    if answer.endswith(_READY_IDLE):
                        self.swallowed.set()
                    continue
                self._client.sendall(answer)
        self.swallowed.set()
        _close(self._client)
        _close(self._server)


# ReadyForQuery, outside any transaction (protocol version 3).
_READY_IDLE = b"Z\x00\x00\x00\x05I"


def _close(one: socket.socket) -> None:
    with suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()


def _socket_of(database_url: str) -> str:
    query = parse_qs(urlsplit(database_url).query)
    return f"{query['host'][0]}/.s.PGSQL.{query['port'][0]}"
