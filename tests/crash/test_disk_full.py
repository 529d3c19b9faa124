"""The disk of the data directory fills up: refused with Retry-After, nothing kept by halves, mended when freed."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from tests.crash.rig import eventually
from tests.crash.test_random_kills import lag
from tests.support.load import Load, create_metrics
from tests.support.platform import TOKEN, Platform

DISK_BYTES = 400 * 1024**2
# Long enough for PostgreSQL to need a new segment of its write-ahead log, and to stop for want of it.
FULL_SECONDS = 6.0


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A file system of its own in memory. Only root may mount one; CI is root."""
    folder = Path(tempfile.mkdtemp(prefix="meterline-disk-"))
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES},mode=711", "tmpfs", str(folder)],
        check=False,
        capture_output=True,
        text=True,
    )
    if mounted.returncode != 0:
        folder.rmdir()
        reason = f"a file system cannot be mounted here: {mounted.stderr.strip()}"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)
    folder.rmdir()


@pytest.mark.skipif(sys.platform != "linux", reason="tmpfs is of Linux")
def test_a_full_disk(small_disk: Path) -> None:
    platform = Platform(small_disk / "platform")
    platform.start()
    create_metrics(platform.database_url, 1)
    ballast = small_disk / "ballast"
    try:
        with Load(platform.url, TOKEN) as load:
            load.wait_for(200)
            fill(ballast)
            eventually(lambda: load.books.statuses[503] >= 20, 40, "nothing was refused")
            refused = httpx.post(
                f"{platform.url}/v1/ingest",
                headers={"Authorization": f"Bearer {TOKEN}"},
                json=[{**next(iter(load.books.sent.values())), "customer_id": "x" * 100}],
                timeout=30,
            )
            # Either it still found a little room, or it says when to come again.
            assert refused.status_code in (200, 503)
            if refused.status_code == 503:
                assert int(refused.headers["retry-after"]) >= 1
                assert refused.json()["message"]
            time.sleep(FULL_SECONDS)
            ballast.unlink()
            load.wait_for(load.acknowledged_count + 200, 45)
            load.stop()
        eventually(lambda: lag(platform) == 0, 60, f"lag {lag(platform)}")
        load.check_counted_once(platform.database_url)
        assert set(load.books.statuses) - {"ReadTimeout", "ConnectError"} <= {200, 503}
        assert platform.stop() == 0
    finally:
        if platform.process is not None:
            platform.process.terminate()
            platform.process.wait(20)


def fill(ballast: Path) -> None:
    """Take what room there is, but for what the next write takes."""
    with ballast.open("wb", buffering=0) as file:
        for size in (1024**2, 4096):
            with suppress(OSError):
                while file.write(bytes(size)):
                    pass
