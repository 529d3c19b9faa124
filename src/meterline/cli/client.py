"""How the commands reach a running platform: its address, its token, and retries.

The platform is found by, in this order: `--url` and `--token`; `--data-dir`, where a running
`meterline up` keeps its `endpoint.json`; METERLINE_URL and METERLINE_TOKEN; the usual data
directories.
"""

from __future__ import annotations

import functools
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, ParamSpec

import httpx
import typer
from rich.console import Console

from meterline.cli.tables import EXACT_JSON

UrlOption = Annotated[
    str | None, typer.Option("--url", help="Address of the platform. [env: METERLINE_URL]")
]
TokenOption = Annotated[
    str | None, typer.Option("--token", help="Token of an environment. [env: METERLINE_TOKEN]")
]
DataDirOption = Annotated[
    Path | None,
    typer.Option("--data-dir", help="Data directory of a running `meterline up` on this machine."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]

EXIT_REFUSED = 1  # the platform or the input said no
EXIT_UNREACHABLE = 3  # nobody answers there
USUAL_DATA_DIRS = (Path(".meterline"), Path(".meterline/demo"), Path("data"))

# A restart of the gateway takes a second or two; eight tries with doubling pauses outlast half a
# minute of it.
ATTEMPTS_MAX = 8
PAUSE_SECONDS_MAX = 8.0
RETRIED_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504})

P = ParamSpec("P")


class CommandError(Exception):
    """A fault the user can mend: printed as one sentence, without a traceback."""

    def __init__(self, message: str, *, exit_code: int = EXIT_REFUSED) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class Refused(CommandError):
    """The platform answered with an error that trying again will not mend."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"the platform refused ({status}): {message}")
        self.status = status
        self.reason = message


def speaks_plainly(command: Callable[P, None]) -> Callable[P, None]:
    """Decorate a command so that a CommandError becomes one line on stderr and an exit code."""

    @functools.wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except CommandError as fault:
            Console(stderr=True, highlight=False, soft_wrap=True).print(
                f"[bold red]meterline:[/] {fault}"
            )
            raise typer.Exit(fault.exit_code) from None

    return wrapped


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a platform listens, and the token that opens an environment of it."""

    url: str
    token: str


def find_endpoint(
    url: str | None, token: str | None, data_dir: Path | None, *, environ: Mapping[str, str]
) -> Endpoint:
    """Return the endpoint that flags, endpoint.json or environment name, or raise CommandError."""
    kept = _endpoint_file(data_dir) if data_dir and not (url and token) else {}
    url = url or kept.get("url") or environ.get("METERLINE_URL")
    token = token or kept.get("token") or environ.get("METERLINE_TOKEN")
    if not (url and token):
        kept = next(filter(None, map(_usual_endpoint_file, USUAL_DATA_DIRS)), {})
        url = url or kept.get("url")
        token = token or kept.get("token")
    if not url:
        raise CommandError(
            "no platform found: give --url and --token, set METERLINE_URL and METERLINE_TOKEN, "
            "or --data-dir of a running `meterline up`",
            exit_code=EXIT_UNREACHABLE,
        )
    if not token:
        raise CommandError("no token: give --token or set METERLINE_TOKEN")
    return Endpoint(url.rstrip("/"), token)


def _endpoint_file(data_dir: Path) -> dict[str, Any]:
    kept = _usual_endpoint_file(data_dir)
    if not kept:
        raise CommandError(
            f"no platform runs in {data_dir}: {data_dir / 'endpoint.json'} is absent",
            exit_code=EXIT_UNREACHABLE,
        )
    return kept


def _usual_endpoint_file(data_dir: Path) -> dict[str, Any]:
    path = data_dir / "endpoint.json"
    return dict(json.loads(path.read_text())) if path.is_file() else {}


class PlatformClient:
    """A thin HTTP client: one connection pool, retries with back-off, errors as CommandError."""

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        pause: Callable[[float], None] = time.sleep,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.endpoint = endpoint
        self._pause = pause
        self._http = httpx.Client(
            base_url=endpoint.url,
            headers={
                "Authorization": f"Bearer {endpoint.token}",
                "Content-Type": "application/json",
            },
            timeout=httpx.Timeout(60, connect=5),
            transport=transport,
        )

    def __enter__(self) -> PlatformClient:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def get(self, path: str, **query: Any) -> Any:
        """GET `path`; keyword arguments become the query."""
        return self.request("GET", path, params={k: v for k, v in query.items() if v is not None})

    def post(self, path: str, body: Any, **query: Any) -> Any:
        """POST `body` as JSON."""
        params = {k: v for k, v in query.items() if v is not None}
        return self.request("POST", path, content=EXACT_JSON.encode(body), params=params)

    def request(self, method: str, path: str, **options: Any) -> Any:
        """Return the decoded reply (None when empty); numbers with a fraction as exact Decimal.

        Repeats on a lost connection, 408, 425, 429 and 5xx: every write the commands make carries
        its own identity (a transaction id or a uniqueness key), so a repeat is harmless. Raises:
        Refused on any other error status, CommandError when the platform stays away.
        """
        fault = ""
        for attempt in range(ATTEMPTS_MAX):
            try:
                reply = self._http.request(method, path, **options)
            except httpx.TransportError as error:
                fault = f"{self.endpoint.url} does not answer ({error})"
                wait = _back_off(attempt, None)
            else:
                if reply.is_success:
                    return json.loads(reply.content, parse_float=Decimal) if reply.content else None
                if reply.status_code not in RETRIED_STATUSES:
                    raise Refused(reply.status_code, _message(reply))
                fault = f"{self.endpoint.url} answers {reply.status_code}: {_message(reply)}"
                wait = _back_off(attempt, reply.headers.get("Retry-After"))
            if attempt + 1 < ATTEMPTS_MAX:
                self._pause(wait)
        raise CommandError(fault, exit_code=EXIT_UNREACHABLE)

    def pages(
        self, method: str, path: str, *, body: Any = None, limit: int = 100
    ) -> Iterator[dict[str, Any]]:
        """Yield every row of a list that is paged by `next_page` in the query."""
        cursor = None
        while True:
            query = {"limit": limit} | ({"next_page": cursor} if cursor else {})
            options = {"content": EXACT_JSON.encode(body)} if method == "POST" else {}
            reply = self.request(method, path, params=query, **options)
            yield from reply["data"]
            cursor = reply.get("next_page")
            if not cursor:
                return

    def customer(self, wanted: str) -> dict[str, Any]:
        """Return the customer whose id, ingest alias or exact name is `wanted`."""
        by_alias = self.get("/v1/customers", ingest_alias=wanted)["data"]
        if by_alias:
            return dict(by_alias[0])
        named = [
            row
            for row in self.pages("GET", "/v1/customers")
            if wanted in (row["id"], row["name"]) and not row.get("archived_at")
        ]
        if not named:
            raise CommandError(f"no customer has the id, ingest alias or name {wanted!r}")
        if len(named) > 1:
            raise CommandError(f"{len(named)} customers are named {wanted!r}: give an id or alias")
        return named[0]


def connect(url: str | None, token: str | None, data_dir: Path | None) -> PlatformClient:
    """Return a client for the platform that flags, environment or endpoint.json name."""
    return PlatformClient(find_endpoint(url, token, data_dir, environ=os.environ))


def _back_off(attempt: int, retry_after: str | None) -> float:
    """Return seconds to wait: what the server asks for, else 0.25, 0.5, 1, ... up to the limit."""
    if retry_after and retry_after.isdigit():
        return min(float(retry_after), PAUSE_SECONDS_MAX)
    return min(0.25 * float(1 << attempt), PAUSE_SECONDS_MAX)


def _message(reply: httpx.Response) -> str:
    try:
        body = reply.json()
    except ValueError:
        return reply.text[:200] or reply.reason_phrase
    return str(body.get("message", body)) if isinstance(body, dict) else str(body)
