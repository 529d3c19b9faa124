"""The embedded PostgreSQL: started, stopped, killed, and started again. Durable here, unlike the session's."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psutil
import psycopg
import pytest

from meterline.store.embedded import EmbeddedPostgres
from meterline.store.errors import PostgresUnavailable
from meterline.store.unprivileged import Account, choose_account


@pytest.fixture
def folder() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="meterline-pg-"))
    path.chmod(0o711)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def server(folder: Path) -> Iterator[EmbeddedPostgres]:
    made = EmbeddedPostgres(folder / "data")
    made.start()
    yield made
    made.stop()


def write(url: str, value: int) -> None:
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS kept (value integer)")
        connection.execute("INSERT INTO kept VALUES (%s)", [value])


def values(url: str) -> list[int]:
    with psycopg.connect(url) as connection:
        return [row[0] for row in connection.execute("SELECT value FROM kept ORDER BY value")]


def show(url: str, name: str) -> str:
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT current_setting(%s)", [name]).fetchone()
    assert row is not None
    return str(row[0])


def processes_in(cluster: Path) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.cwd() == str(cluster):
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


def wait_until_none(cluster: Path, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while processes_in(cluster):
        assert time.monotonic() < deadline, processes_in(cluster)
        time.sleep(0.05)


def test_it_is_durable_and_not_reachable_from_outside(server: EmbeddedPostgres) -> None:
    expected = {
        "fsync": "on",
        "full_page_writes": "on",
        "synchronous_commit": "on",
        "data_checksums": "on",
        "listen_addresses": "",
        "jit": "off",
        "server_encoding": "UTF8",
    }
    assert {name: show(server.url, name) for name in expected} == expected


def test_the_platforms_user_is_no_superuser(server: EmbeddedPostgres) -> None:
    assert show(server.url, "is_superuser") == "off"
    with psycopg.connect(server.url) as connection:
        row = connection.execute(
            "SELECT rolbypassrls, rolcreaterole FROM pg_roles WHERE rolname = current_user"
        ).fetchone()
    assert row == (False, True)


def test_other_accounts_cannot_reach_the_socket(server: EmbeddedPostgres, folder: Path) -> None:
    assert (folder / "data" / "socket").stat().st_mode & 0o077 == 0
    assert (folder / "data" / "postgres").stat().st_mode & 0o077 == 0


def test_data_is_kept_over_a_clean_stop(server: EmbeddedPostgres) -> None:
    write(server.url, 1)
    began = time.monotonic()
    server.stop()
    assert time.monotonic() - began < 10
    assert not server.running
    server.start()
    assert values(server.url) == [1]


def test_sessions_do_not_hold_up_a_stop(server: EmbeddedPostgres) -> None:
    with psycopg.connect(server.url) as open_session:
        open_session.execute("SELECT 1")
        began = time.monotonic()
        server.stop()
        assert time.monotonic() - began < 10
        with pytest.raises(psycopg.OperationalError):
            open_session.execute("SELECT 1")
    server.start()


def test_after_sigkill_of_the_postmaster_committed_data_is_there(
    server: EmbeddedPostgres, folder: Path
) -> None:
    for value in range(3):
        write(server.url, value)
        assert server.pid is not None
        session = psycopg.connect(server.url)  # a child that outlives the postmaster
        session.execute("SELECT 1")
        os.kill(server.pid, signal.SIGKILL)
        while server.running:
            time.sleep(0.01)
        assert (folder / "data" / "postgres" / "postmaster.pid").exists()
        server.start()
        session.close()
        assert values(server.url) == list(range(value + 1))


def test_a_child_busy_with_a_query_does_not_stop_the_next_start(
    server: EmbeddedPostgres, folder: Path
) -> None:
    """Orphans hold the old shared memory; the next start waits for them, then ends them."""
    write(server.url, 1)
    busy = psycopg.connect(server.url)
    busy.pgconn.send_query(b"SELECT sum(i) FROM generate_series(1, 2000000000) AS i")
    assert server.pid is not None
    os.kill(server.pid, signal.SIGKILL)
    while server.running:
        time.sleep(0.01)
    server.start()
    assert values(server.url) == [1]
    busy.close()


def test_a_pid_file_whose_number_is_anothers_by_now_is_stale(
    server: EmbeddedPostgres, folder: Path
) -> None:
    write(server.url, 1)
    server.stop()
    pid_file = folder / "data" / "postgres" / "postmaster.pid"
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as bystander:
        pid_file.write_text(f"{bystander.pid}\n{folder}/data/postgres\n1\n5432\n\n\n\n")
        server.start()
        assert bystander.poll() is None  # it was left alone
        bystander.kill()
    assert values(server.url) == [1]


def test_a_server_whose_supervisor_was_killed_ends_and_the_next_takes_over(folder: Path) -> None:
    data = folder / "data"
    program = (
        "import sys, time; from pathlib import Path;"
        "from meterline.store.embedded import EmbeddedPostgres;"
        "server = EmbeddedPostgres(Path(sys.argv[1])); server.start(); print(server.pid, flush=True);"
        "time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(data)], stdout=subprocess.PIPE
    ) as supervisor:
        assert supervisor.stdout is not None
        orphan = int(supervisor.stdout.readline())
        write(EmbeddedPostgres(data).url, 7)
        supervisor.kill()
    successor = EmbeddedPostgres(data)  # at once: the orphan is still about to end
    successor.start()
    try:
        assert successor.pid != orphan
        assert values(successor.url) == [7]
    finally:
        successor.stop()


def test_an_orphaned_server_that_ends_by_itself_leaves_no_process(folder: Path) -> None:
    data = folder / "data"
    program = (
        "import os, sys; from pathlib import Path;"
        "from meterline.store.embedded import EmbeddedPostgres;"
        "EmbeddedPostgres(Path(sys.argv[1])).start(); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", program, str(data)], check=False)
    wait_until_none(data / "postgres", 10)


def test_a_start_cut_short_leaves_no_half_cluster(folder: Path) -> None:
    half = folder / "data" / "postgres.new"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18")
    server = EmbeddedPostgres(folder / "data", durable=False)
    server.start()
    server.stop()
    assert not half.exists()


def test_somebodys_folder_is_not_touched(folder: Path) -> None:
    theirs = folder / "data" / "postgres"
    theirs.mkdir(parents=True)
    (theirs / "letter.txt").write_text("dear")
    with pytest.raises(PostgresUnavailable, match="not empty"):
        EmbeddedPostgres(folder / "data", durable=False).start()
    assert (theirs / "letter.txt").read_text() == "dear"


def test_a_path_too_long_for_a_socket_gets_one_elsewhere(folder: Path) -> None:
    deep = folder / ("d" * 100) / "data"
    server = EmbeddedPostgres(deep, durable=False)
    server.start()
    try:
        write(server.url, 1)
        assert values(server.url) == [1]
        assert "socket" not in {path.name for path in deep.iterdir()}
        elsewhere = Path(parse_qs(urlsplit(server.url).query)["host"][0])
        assert elsewhere.stat().st_mode & 0o077 == 0
    finally:
        server.stop()
    assert not elsewhere.exists()


def test_what_the_server_says_is_in_the_message(folder: Path) -> None:
    server = EmbeddedPostgres(folder / "data", durable=False)
    server.start()
    server.stop()
    (folder / "data" / "postgres" / "custom.conf").write_text("shared_buffers = 'nonsense'\n")
    with pytest.raises(PostgresUnavailable, match="nonsense"):
        server.start()
    assert not server.running


@pytest.mark.skipif(os.getuid() != 0, reason="only root has a home that others cannot enter")
def test_root_may_keep_it_where_no_account_gets_through() -> None:
    """Below /root: in a user namespace, since PostgreSQL refuses uid 0 and no other account reaches it."""
    closed = Path(tempfile.mkdtemp(prefix="meterline-closed-", dir=Path.home()))  # mode 0700
    try:
        for _ in range(2):  # made, then found
            server = EmbeddedPostgres(closed / "data")
            server.start()
            try:
                assert show(server.url, "is_superuser") == "off"
                write(server.url, 1)
            finally:
                server.stop()
        assert (closed / "data" / "postgres").stat().st_uid == 0
    finally:
        shutil.rmtree(closed)


@pytest.mark.skipif(os.getuid() != 0, reason="the other tests run as an ordinary user anyway")
def test_an_ordinary_user_runs_it_as_himself(folder: Path) -> None:
    program = (
        "import os, sys; from pathlib import Path; assert os.getuid() == 1000;"
        "from meterline.store.embedded import EmbeddedPostgres;"
        "server = EmbeddedPostgres(Path(sys.argv[1])); server.start(); server.stop()"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program, str(folder / "data")],
        check=False,
        capture_output=True,
        text=True,
        **Account(1000, 1000, namespaced=True).popen_options(),
    )
    assert ran.returncode == 0, ran.stderr


@pytest.mark.skipif(os.getuid() != 0, reason="an ordinary user always runs it as himself")
def test_where_nobody_can_run_it_the_message_says_what_to_do() -> None:
    closed = Path(tempfile.mkdtemp(prefix="meterline-closed-", dir=Path.home()))
    try:
        program = closed / "postgres"  # one that runs under no account, nor in a namespace
        program.write_text("#!/bin/sh\nexit 1\n")
        program.chmod(0o755)
        with pytest.raises(PostgresUnavailable, match="Choose a data directory outside /root"):
            choose_account(closed, owner=None, programs=closed, may_create=False)
    finally:
        shutil.rmtree(closed)


@pytest.mark.skipif(os.getuid() != 0, reason="an ordinary user always runs it as himself")
def test_root_runs_it_as_an_unprivileged_account_where_that_gets_through(
    server: EmbeddedPostgres,
) -> None:
    assert server.pid is not None
    assert psutil.Process(server.pid).uids().real != 0


class _KilledOnceReady(EmbeddedPostgres):
    """Dies between its first answer and the platform's first session."""

    def _create_database(self) -> None:
        assert self.pid is not None
        os.kill(self.pid, signal.SIGKILL)
        while self.running:
            time.sleep(0.01)
        super()._create_database()


def test_dying_while_it_starts_is_a_failed_start_that_may_be_tried_again(folder: Path) -> None:
    with pytest.raises(PostgresUnavailable, match="went away while starting"):
        _KilledOnceReady(folder / "data").start()

    server = EmbeddedPostgres(folder / "data")
    server.start()
    try:
        write(server.url, 1)
        assert values(server.url) == [1]
    finally:
        server.stop()
