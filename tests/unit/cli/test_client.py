import json
from decimal import Decimal
from pathlib import Path

import httpx
import pytest

from meterline.cli.client import (
    ATTEMPTS_MAX,
    EXIT_UNREACHABLE,
    CommandError,
    Endpoint,
    PlatformClient,
    Refused,
    find_endpoint,
)


class Server:
    """Answers with a list of replies, one a request; the last one again and again."""

    def __init__(self, *replies: httpx.Response | Exception) -> None:
        self.replies = list(replies)
        self.requests: list[httpx.Request] = []
        self.pauses: list[float] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        if isinstance(reply, Exception):
            raise reply
        return reply

    def client(self) -> PlatformClient:
        return PlatformClient(
            Endpoint("http://meterline.test", "secret"),
            pause=self.pauses.append,
            transport=httpx.MockTransport(self),
        )


def test_flags_go_before_endpoint_file_before_environment(tmp_path: Path) -> None:
    (tmp_path / "endpoint.json").write_text(json.dumps({"url": "http://file/", "token": "file"}))
    environ = {"METERLINE_URL": "http://environment", "METERLINE_TOKEN": "environment"}
    assert find_endpoint(None, None, tmp_path, environ={}) == Endpoint("http://file", "file")
    assert find_endpoint(None, None, tmp_path, environ=environ).url == "http://file"
    assert find_endpoint("http://flag", None, tmp_path, environ=environ).token == "file"
    assert find_endpoint("http://flag", None, None, environ=environ) == Endpoint(
        "http://flag", "environment"
    )


def test_no_platform_is_said_with_its_own_exit_code(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"endpoint\.json is absent") as fault:
        find_endpoint(None, None, tmp_path, environ={})
    assert fault.value.exit_code == EXIT_UNREACHABLE


def test_outages_are_waited_out_as_the_server_asks() -> None:
    server = Server(
        httpx.Response(503, headers={"Retry-After": "2"}, json={"message": "busy"}),
        httpx.ConnectError("refused"),
        httpx.Response(429),
        httpx.Response(200, content=b'{"total": 4760.8895}'),
    )
    with server.client() as client:
        assert client.get("/v1/x") == {"total": Decimal("4760.8895")}
    assert server.pauses == [2.0, 0.5, 1.0]
    assert server.requests[0].headers["authorization"] == "Bearer secret"


def test_it_gives_up_after_a_while() -> None:
    server = Server(httpx.Response(500, json={"message": "broken"}))
    with server.client() as client, pytest.raises(CommandError, match="broken") as fault:
        client.get("/v1/x")
    assert len(server.requests) == ATTEMPTS_MAX
    assert fault.value.exit_code == EXIT_UNREACHABLE


def test_a_refusal_is_not_repeated() -> None:
    server = Server(httpx.Response(400, json={"message": "[3].timestamp: is too old"}))
    with server.client() as client, pytest.raises(Refused, match="too old"):
        client.post("/v1/ingest", [])
    assert len(server.requests) == 1


def test_every_page_of_a_list_is_read() -> None:
    server = Server(
        httpx.Response(200, json={"data": [{"id": 1}], "next_page": "c1"}),
        httpx.Response(200, json={"data": [{"id": 2}], "next_page": None}),
    )
    with server.client() as client:
        assert [row["id"] for row in client.pages("GET", "/v1/customers")] == [1, 2]
    assert server.requests[1].url.params["next_page"] == "c1"


def test_decimals_are_sent_in_full() -> None:
    server = Server(httpx.Response(200))
    with server.client() as client:
        client.post("/v1/x", {"price": Decimal("0.000000000000000000012345")})
    sent = json.loads(server.requests[0].content, parse_float=Decimal)
    assert sent == {"price": Decimal("0.000000000000000000012345")}
