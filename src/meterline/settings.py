"""What an operator can set: by flag, or as METERLINE_<NAME> in the environment. Checked at start, all at once."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

PREFIX = "METERLINE_"

# A partition's share of ids must stay large against a cycle's, and each costs a lock at append.
LOG_PARTITIONS_MAX = 1024
WORKERS_MAX = 64


class InvalidSettings(Exception):
    """One or more settings cannot be used; the message names each."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of one process. `database_url` may hold a password, so it is never shown."""

    database_url: str = field(repr=False)
    http_host: str = "127.0.0.1"
    http_port: int = 8080
    log_partitions: int = 8
    workers: int = 1
    database_connections: int = 8
    kafka: str | None = None  # bootstrap servers; None: the log is in PostgreSQL
    kafka_topic: str = "meterline-events"
    kafka_options: Mapping[str, str] = field(default_factory=dict, repr=False)
    log_file: Path | None = None  # None: standard error
    supervisor_pid: int | None = None  # of the `up` this process must not outlive

    def as_environment(self) -> dict[str, str]:
        """Return the variables from which `settings_from` makes these settings again, for a child process."""
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        return {
            PREFIX + name.upper(): json.dumps(dict(value))
            if isinstance(value, Mapping)
            else str(value)
            for name, value in values.items()
            if value is not None
        }


def settings_from(environ: Mapping[str, str], **flags: object) -> Settings:
    """Return the settings that flags (None: not given), then the environment, then defaults say.

    Raises InvalidSettings with every fault found.
    """
    faults: list[str] = []
    chosen: dict[str, Any] = {}
    for name, parse in _PARSERS.items():
        given = flags.get(name)
        text = environ.get(PREFIX + name.upper(), "") if given is None else str(given)
        if not text:
            continue
        try:
            chosen[name] = parse(text)
        except ValueError as error:
            faults.append(f"{PREFIX}{name.upper()}: {error}")
    if "database_url" not in chosen and not faults:
        faults.append(
            f"{PREFIX}DATABASE_URL is needed (or --database-url): postgresql://user@host/name"
        )
    if faults:
        raise InvalidSettings("; ".join(faults))
    return Settings(**chosen)


def _url(text: str) -> str:
    if not text.startswith(("postgresql://", "postgres://")):
        raise ValueError("must start with postgresql://")  # not shown: it may hold a password
    return text


def _whole(lowest: int, highest: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            raise ValueError(f"{text!r} is not a whole number") from None
        if not lowest <= number <= highest:
            raise ValueError(f"{number} is not between {lowest} and {highest}")
        return number

    return parse


def _kafka_options(text: str) -> dict[str, str]:
    """librdkafka's settings as a JSON object: {"security.protocol": "SASL_SSL", ...}."""
    try:
        given = json.loads(text)
    except ValueError:
        raise ValueError("is not JSON") from None  # not shown: it may hold a password
    if not isinstance(given, dict):
        raise ValueError("is not a JSON object")
    return {str(name): str(value) for name, value in given.items()}


def _topic(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,249}", text):
        raise ValueError(f"{text!r} is not the name of a topic")
    return text


def _host(text: str) -> str:
    if any(character.isspace() or character in "/@" for character in text):
        raise ValueError(f"{text!r} is neither an address nor the name of a host")
    return text


_PARSERS: dict[str, Callable[[str], object]] = {
    "database_url": _url,
    "http_host": _host,
    "http_port": _whole(1, 65535),
    "log_partitions": _whole(1, LOG_PARTITIONS_MAX),
    "workers": _whole(1, WORKERS_MAX),
    "database_connections": _whole(2, 100),
    "kafka": str,
    "kafka_topic": _topic,
    "kafka_options": _kafka_options,
    "log_file": Path,
    "supervisor_pid": _whole(1, 2**31 - 1),
}
