"""The embedded server's postgresql.conf, by the machine's memory, most of which it leaves free."""

from __future__ import annotations

from pathlib import Path

import psutil

_MIB = 1024 * 1024
_CGROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")  # cgroups(7), version 2


def usable_memory_bytes() -> int:
    """Return the memory of the machine, or what its control group leaves of it."""
    total = int(psutil.virtual_memory().total)
    try:
        limit = _CGROUP_LIMIT.read_text().strip()
    except OSError:  # another kernel, or the first version of control groups
        return total
    return min(total, int(limit)) if limit.isdigit() else total


def render_configuration(*, memory_bytes: int, socket_dir: Path, durable: bool) -> str:
    """Return the text of postgresql.conf.

    memory_bytes: see usable_memory_bytes. durable=False turns fsync off, for tests
    of logic alone.
    """
    shared_buffers_mib = min(256, max(64, memory_bytes // 32 // _MIB))
    cache_mib = max(256, memory_bytes // 4 // _MIB)
    durability = "on" if durable else "off"
    settings = {
        # Reached over a socket in a private folder, by nobody else.
        "listen_addresses": "",
        "unix_socket_directories": str(socket_dir),
        "unix_socket_permissions": "0700",
        "max_connections": 100,
        # Money: what was acknowledged survives a power cut.
        "fsync": durability,
        "synchronous_commit": durability,
        "full_page_writes": durability,
        "wal_sync_method": "fdatasync",
        # Rare, spread checkpoints: each one makes the next write of a page log the whole page.
        "checkpoint_timeout": "15min",
        "checkpoint_completion_target": 0.9,
        "max_wal_size": "3GB",
        "min_wal_size": "256MB",
        "wal_buffers": "16MB",
        "wal_level": "minimal",  # no replicas: copy the stopped directory, or use pg_dump
        "max_wal_senders": 0,
        "shared_buffers": f"{shared_buffers_mib}MB",
        "effective_cache_size": f"{cache_mib}MB",
        "work_mem": "8MB",
        "maintenance_work_mem": "64MB",
        "temp_buffers": "8MB",
        "hash_mem_multiplier": 2,
        "huge_pages": "off",
        # Short queries of known shape: neither compiling them nor spreading them over processes
        # pays.
        "jit": "off",
        "max_parallel_workers_per_gather": 0,
        "max_parallel_maintenance_workers": 0,
        "random_page_cost": 1.1,
        # Small hot tables (offsets, partial sums, spend) are rewritten all the time.
        "autovacuum_naptime": "15s",
        "autovacuum_max_workers": 2,
        "autovacuum_vacuum_scale_factor": 0.1,
        "autovacuum_analyze_scale_factor": 0.05,
        "autovacuum_vacuum_cost_limit": 1000,
        "idle_in_transaction_session_timeout": "5min",
        "tcp_keepalives_idle": 60,
        "timezone": "UTC",
        "log_timezone": "UTC",
        # Seven files, one a weekday, each begun anew: bounded without a cron job.
        "logging_collector": "on",
        "log_filename": "postgresql-%a.log",
        "log_rotation_age": "1d",
        "log_rotation_size": 0,
        "log_truncate_on_rotation": "on",
        "log_min_duration_statement": "2s",
        "log_checkpoints": "off",
        "log_line_prefix": "%m [%p] %q%a ",
        "cluster_name": "meterline",
        "update_process_title": "off",
    }
    lines = ["# Written by Meterline at every start; settings of your own belong in custom.conf."]
    lines += [f"{name} = '{value}'" for name, value in settings.items()]
    lines.append("include_if_exists = 'custom.conf'")
    return "\n".join(lines) + "\n"
