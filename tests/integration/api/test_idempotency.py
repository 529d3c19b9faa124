"""The Idempotency-Key header: done once, answered alike, and never mixed up."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import httpx
import psycopg
from tests.integration.api.conftest import Service, Unique


def test_a_repeat_gets_the_first_reply(http: httpx.Client, unique: Unique) -> None:
    headers = {"Idempotency-Key": unique("key")}
    first = http.post("/v1/customers", json={"name": "once"}, headers=headers)
    again = http.post("/v1/customers", json={"name": "once"}, headers=headers)
    assert first.status_code == again.status_code == 200
    assert first.content == again.content
    assert again.headers["idempotent-replayed"] == "true"
    assert again.headers["request-id"] != first.headers["request-id"]


def test_refusals_are_kept_too(http: httpx.Client, unique: Unique) -> None:
    headers = {"Idempotency-Key": unique("key")}
    first = http.post("/v1/customers", json={}, headers=headers)
    again = http.post("/v1/customers", json={}, headers=headers)
    assert (first.status_code, again.status_code) == (400, 400)
    assert first.content == again.content


def test_another_request_with_the_key_conflicts(http: httpx.Client, unique: Unique) -> None:
    headers = {"Idempotency-Key": unique("key")}
    assert http.post("/v1/customers", json={"name": "a"}, headers=headers).status_code == 200
    for path, body in (
        ("/v1/customers", {"name": "b"}),
        ("/v1/credit-types/create", {"name": "a"}),
    ):
        answer = http.post(path, json=body, headers=headers)
        assert answer.status_code == 409
        assert "Idempotency-Key" in answer.json()["message"]


def test_environments_do_not_share_keys(service: Service, unique: Unique) -> None:
    headers = {"Idempotency-Key": unique("key")}
    with service.http() as mine, service.http(service.other_token) as other:
        one = mine.post("/v1/customers", json={"name": "a"}, headers=headers)
        two = other.post("/v1/customers", json={"name": "a"}, headers=headers)
        assert one.status_code == two.status_code == 200
        assert one.json()["data"]["id"] != two.json()["data"]["id"]


def test_a_refused_scope_leaves_the_key_free(service: Service, unique: Unique) -> None:
    headers = {"Idempotency-Key": unique("key")}
    with service.http(service.read_token) as reader, service.http() as writer:
        assert reader.post("/v1/customers", json={"name": "a"}, headers=headers).status_code == 403
        assert writer.post("/v1/customers", json={"name": "a"}, headers=headers).status_code == 200


def test_of_concurrent_requests_one_is_done(service: Service, unique: Unique) -> None:
    headers = {"Authorization": f"Bearer {service.token}", "Idempotency-Key": unique("key")}

    async def race() -> list[httpx.Response]:
        async with httpx.AsyncClient(base_url=service.url, headers=headers) as client:
            posts = [client.post("/v1/customers", json={"name": "once"}) for _ in range(6)]
            return list(await asyncio.gather(*posts))

    answers = asyncio.run(race())
    assert {answer.status_code for answer in answers} <= {200, 409}
    done = {answer.json()["data"]["id"] for answer in answers if answer.status_code == 200}
    assert len(done) == 1


def test_a_key_is_forgotten_after_a_day(
    service: Service, http: httpx.Client, unique: Unique
) -> None:
    key = unique("key")
    headers = {"Idempotency-Key": key}
    assert http.post("/v1/customers", json={"name": "a"}, headers=headers).status_code == 200
    with psycopg.connect(service.database_url) as connection:
        connection.execute("SET ROLE meterline_pipeline")
        connection.execute(
            "UPDATE idempotent_reply SET created_at = created_at - %s WHERE idempotency_key = %s",
            (timedelta(hours=24, seconds=1), key),
        )
    again = http.post("/v1/customers", json={"name": "b"}, headers=headers)
    assert again.status_code == 200


def test_a_request_that_died_half_way_stays_refused(
    service: Service, http: httpx.Client, unique: Unique
) -> None:
    key = unique("key")
    headers = {"Idempotency-Key": key}
    assert http.post("/v1/customers", json={"name": "a"}, headers=headers).status_code == 200
    with psycopg.connect(service.database_url) as connection:
        connection.execute("SET ROLE meterline_pipeline")
        connection.execute(
            "UPDATE idempotent_reply SET status = NULL, body = NULL WHERE idempotency_key = %s",
            (key,),
        )
    assert http.post("/v1/customers", json={"name": "a"}, headers=headers).status_code == 409


def test_a_bad_key_is_refused(http: httpx.Client) -> None:
    for key in ("", "k" * 256):
        answer = http.post("/v1/customers", json={"name": "a"}, headers={"Idempotency-Key": key})
        assert answer.status_code == 400
