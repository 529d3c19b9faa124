"""`meterline ingest FILE`: send the events of a CSV or NDJSON file, repeatably.

Requests of 100 events travel over a few connections at once; each is repeated with back-off until
the platform has it durably. Nothing is kept between runs: transaction ids are deterministic, so
running again is how one resumes.
"""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

from meterline.cli import event_file
from meterline.cli.client import (
    CommandError,
    DataDirOption,
    JsonOption,
    PlatformClient,
    Refused,
    TokenOption,
    UrlOption,
    connect,
    speaks_plainly,
)
from meterline.cli.event_file import Line, Mapping
from meterline.cli.tables import show_json

EVENTS_A_REQUEST = 100  # the most one request may carry
REQUESTS_IN_FLIGHT = 4  # enough to keep group commit busy, few enough to be a polite neighbour
PLACE_IN_BATCH = re.compile(r"\[(\d+)\]")
# The newest event lands a little in the past, so that clocks that differ by seconds do not matter.
SHIFT_MARGIN = timedelta(minutes=1)


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("ingest")(ingest)


@speaks_plainly
def ingest(
    file: Annotated[Path, typer.Argument(help="CSV with a header, or NDJSON.")],
    customer: Annotated[
        str, typer.Option("--customer", help="Column of the customer id or alias, or =CONSTANT.")
    ] = "customer_id",
    event_type: Annotated[
        str, typer.Option("--event-type", help="Column of the event type, or =CONSTANT.")
    ] = "event_type",
    timestamp: Annotated[
        str, typer.Option("--timestamp", help="Column of the time; without it: now.")
    ] = "timestamp",
    transaction_id: Annotated[
        str,
        typer.Option("--transaction-id", help="Column of the id; without it: made from the row."),
    ] = "transaction_id",
    properties: Annotated[
        list[str] | None,
        typer.Option("--property", help="NAME=COLUMN, repeatable; without any: all other columns."),
    ] = None,
    shift_to_now: Annotated[
        bool,
        typer.Option("--shift-to-now", help="Move all times so that the newest event is from now."),
    ] = False,
    source: Annotated[
        str | None,
        typer.Option("--source", help="Name used in made ids instead of the file's name."),
    ] = None,
    url: UrlOption = None,
    token: TokenOption = None,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Send the events of a file. Run it again to resume: nothing counts twice."""
    mapping = Mapping(customer, event_type, timestamp, transaction_id, named_columns(properties))
    now = datetime.now(UTC)
    lines = event_file.count_lines(file)
    shift = shift_of(file, mapping, now) if shift_to_now else timedelta(0)
    events = event_file.read(file, mapping, now=now, shift=shift, source=source)
    started = time.monotonic()
    with connect(url, token, data_dir) as client:
        sent = send(client, events, total=lines, quiet=as_json)
    seconds = time.monotonic() - started
    rate = round(sent / seconds) if seconds else sent
    if as_json:
        show_json({"events": sent, "seconds": round(seconds, 3), "events_per_second": rate})
        return
    typer.echo(f"{sent:,} events sent in {seconds:.1f} s ({rate:,} a second).")


def named_columns(options: list[str] | None) -> dict[str, str]:
    """Return {property: column} of `name=column` options; a bare name is its own column."""
    named = {}
    for option in options or []:
        name, _, column = option.partition("=")
        if not name:
            raise CommandError(f"--property {option!r} is not of the form NAME=COLUMN")
        named[name] = column or name
    return named


def shift_of(file: Path, mapping: Mapping, now: datetime) -> timedelta:
    """Return what to add to every timestamp so that the newest is just before `now`."""
    latest = event_file.latest_timestamp(file, mapping)
    return timedelta(0) if latest is None else now - SHIFT_MARGIN - latest


def send(
    client: PlatformClient, events: Iterable[Line], *, total: int | None, quiet: bool = False
) -> int:
    """Send all events and return their number, or raise CommandError naming the line refused."""
    sent = 0
    waiting: deque[Future[int]] = deque()
    with (
        _progress(quiet) as progress,
        ThreadPoolExecutor(REQUESTS_IN_FLIGHT, thread_name_prefix="ingest") as pool,
    ):
        task = progress.add_task("sending", total=total, rate="")
        started = time.monotonic()
        for batch in _batches(events):
            waiting.append(pool.submit(_send_batch, client, batch))
            if len(waiting) >= 2 * REQUESTS_IN_FLIGHT:
                sent += waiting.popleft().result()
                _tell(progress, task, sent, time.monotonic() - started)
        while waiting:
            sent += waiting.popleft().result()
            _tell(progress, task, sent, time.monotonic() - started)
    return sent


def _batches(events: Iterable[Line]) -> Iterator[list[Line]]:
    iterator = iter(events)
    while batch := list(islice(iterator, EVENTS_A_REQUEST)):
        yield batch


def _send_batch(client: PlatformClient, batch: list[Line]) -> int:
    try:
        client.post("/v1/ingest", [line.event for line in batch])
    except Refused as refusal:
        raise CommandError(f"{_place(refusal.reason, batch)}: {refusal.reason}") from refusal
    return len(batch)


def _place(reason: str, batch: list[Line]) -> str:
    """Return the line a refusal is about, or the range of lines of its request."""
    place = PLACE_IN_BATCH.search(reason)
    if place and int(place[1]) < len(batch):
        return f"line {batch[int(place[1])].number}"
    return f"lines {batch[0].number} to {batch[-1].number}"


def _progress(quiet: bool) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
        disable=quiet,
    )


def _tell(progress: Progress, task: TaskID, sent: int, seconds: float) -> None:
    progress.update(task, completed=sent, rate=f"{sent / max(seconds, 0.001):,.0f}/s")
