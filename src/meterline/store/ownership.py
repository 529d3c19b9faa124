"""Who works: slots leased by worker processes, and partitions owned under an epoch, in PostgreSQL.

A worker holds its slot by an advisory lock of a session that only coordinates. PostgreSQL drops the lock when the
process dies, so the others see a death at once and no clock is involved; a process that is only stopped or cut off
keeps its lock, and is taken for dead when its heartbeat is too old. Either way the epoch, not this, keeps money right.
"""

from __future__ import annotations

import threading
import time
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg

from meterline.stream.assignment import share
from meterline.stream.cycle import Claim
from meterline.stream.errors import Fenced
from meterline.stream.log import Position

# Names this use among the advisory locks of a database: "mtln" in ASCII.
LOCK_SPACE = 0x6D746C6E
SLOTS_MAX = 1_000
HEARTBEAT_SECONDS = 0.25
# Only a stopped or cut-off process gets so old; one that died is noticed by its lock.
HEARTBEAT_AGE_MAX = timedelta(seconds=8)
OPTIONS = "-c role=meterline_pipeline -c timezone=UTC -c statement_timeout=5s -c lock_timeout=4s"

_LEASE = """
INSERT INTO worker_slot (slot, epoch, worker_id, heartbeat_at) VALUES (%(slot)s, 1, %(worker_id)s, clock_timestamp())
ON CONFLICT (slot) DO UPDATE SET epoch = worker_slot.epoch + 1, worker_id = %(worker_id)s,
                                 heartbeat_at = clock_timestamp()
"""
_BEAT = "UPDATE worker_slot SET heartbeat_at = clock_timestamp() WHERE slot = %(slot)s AND worker_id = %(worker_id)s"
_LIVE = """
SELECT s.slot
  FROM worker_slot s
  JOIN pg_locks l ON l.locktype = 'advisory' AND l.classid = %(space)s::oid AND l.objid = s.slot::oid AND l.granted
                 AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
 WHERE s.heartbeat_at > clock_timestamp() - %(age_max)s
"""
_OWNERS = "SELECT partition, owner FROM stream_partition ORDER BY partition"
_ADD_PARTITIONS = """
INSERT INTO stream_partition (partition) SELECT generate_series(0, %(partitions)s - 1) ON CONFLICT DO NOTHING
"""
_CLAIM = """
UPDATE stream_partition SET owner = %(slot)s, epoch = epoch + 1
 WHERE partition = ANY (%(wanted)s) AND (owner IS NULL OR NOT owner = ANY (%(others)s))
RETURNING partition, epoch, next_offset, position_at
"""
_RELEASE = "UPDATE stream_partition SET owner = NULL WHERE partition = ANY (%(partitions)s) AND owner = %(slot)s"


class WorkerLease:
    """A worker's slot. Beats in a thread of its own from `join` to `leave`. `partitions`: of the log."""

    def __init__(self, url: str, worker_id: UUID, *, partitions: int) -> None:
        self._connection = psycopg.connect(
            url, autocommit=True, options=OPTIONS, application_name="lease"
        )
        self._worker_id = worker_id
        self._lock = threading.Lock()  # the connection serves the beating thread and the cycle
        self._left = threading.Event()
        self._lost: Exception | None = None
        self._wanted: frozenset[int] = frozenset()
        self._others: tuple[int, ...] = ()
        self._claims: dict[int, int] = {}
        self._unowned: frozenset[int] = frozenset()
        self.slot = self._lease(partitions)
        self._observe()
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)
        self._thread.start()

    def _lease(self, partitions: int) -> int:
        self._connection.execute(_ADD_PARTITIONS, {"partitions": partitions})
        for slot in range(1, SLOTS_MAX):
            row = self._connection.execute(
                "SELECT pg_try_advisory_lock(%s, %s)", [LOCK_SPACE, slot]
            ).fetchone()
            if row is not None and row[0]:
                self._connection.execute(_LEASE, {"slot": slot, "worker_id": self._worker_id})
                return slot
        raise RuntimeError(f"all {SLOTS_MAX} worker slots are taken")

    def _beat(self) -> None:
        while not self._left.wait(HEARTBEAT_SECONDS):
            try:
                self._observe()
            except (psycopg.Error, Fenced) as error:
                self._lost = error
                return

    def _observe(self) -> None:
        """Show a sign of life, and see who else is alive."""
        with self._lock:
            mine = {"slot": self.slot, "worker_id": self._worker_id}
            if self._connection.execute(_BEAT, mine).rowcount != 1:
                raise Fenced(f"slot {self.slot} was leased by another worker")
            live = [
                slot
                for (slot,) in self._connection.execute(
                    _LIVE, {"space": LOCK_SPACE, "age_max": HEARTBEAT_AGE_MAX}
                )
            ]
            owners: dict[int, int | None] = dict(self._connection.execute(_OWNERS).fetchall())
        self._others = tuple(slot for slot in live if slot != self.slot)
        self._wanted = share(len(owners), [*live, self.slot], self.slot)
        self._unowned = frozenset(
            partition
            for partition, owner in owners.items()
            if owner not in self._others and (owner != self.slot or partition not in self._claims)
        )

    def changed(self) -> bool:
        """Whether there is something to release, or something free to claim. Raises what ended the lease."""
        if self._lost is not None:
            raise self._lost
        mine = set(self._claims)
        return bool(mine - self._wanted or (self._wanted - mine) & self._unowned)

    def settle(self) -> dict[int, Claim]:
        """Release what another should own, claim what is free, and return where everything owned stands."""
        with self._lock:
            surplus = sorted(set(self._claims) - self._wanted)
            self._connection.execute(_RELEASE, {"partitions": surplus, "slot": self.slot})
            # Claimed anew even if owned already: that returns the committed position, and the new epoch throws
            # away whatever of ours might still be on its way.
            rows = self._connection.execute(
                _CLAIM,
                {"wanted": sorted(self._wanted), "others": list(self._others), "slot": self.slot},
            ).fetchall()
        claims = {
            partition: Claim(epoch, Position(partition, offset, _position_at(position_at)))
            for partition, epoch, offset, position_at in rows
        }
        self._claims = {partition: claim.epoch for partition, claim in claims.items()}
        self._unowned = frozenset()  # seen before this claim; the next heartbeat looks again
        return claims

    def leave(self) -> None:
        """Give everything back, so that the others need not notice a death."""
        self._left.set()
        self._thread.join()
        try:
            if not self._connection.broken:
                self._connection.execute(
                    _RELEASE, {"partitions": sorted(self._claims), "slot": self.slot}
                )
        finally:
            self._connection.close()


def _position_at(value: Any) -> datetime:
    assert isinstance(value, datetime)
    return value


def wait_before_retry(attempt: int) -> None:
    """Wait between attempts to reach a PostgreSQL that is away: 0.1 s at first, 2 s at most."""
    time.sleep(min(2.0, 0.1 * 2**attempt))
