"""The catalogue of the benchmark: three metrics by model, priced by model, and thousands of customers under contract.

What is few is made through the API. The customers and contracts are copies of one that the API made, written by SQL:
40,000 calls would take longer than the benchmark.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import httpx
import psycopg

from bench.installation import Installation
from bench.load import MODELS

METRICS = ("requests", "input_tokens", "output_tokens")
PROBE = "probe"

COPY_CUSTOMERS = """
WITH made AS (
    INSERT INTO customer (environment_id, customer_id, name, custom_fields, config, created_at, updated_at)
    SELECT c.environment_id, gen_random_uuid(), 'customer-' || to_char(n, 'FM00000'), c.custom_fields, c.config,
           c.created_at, c.updated_at
      FROM customer c, generate_series(0, %(customers)s - 1) AS n WHERE c.customer_id = %(template)s
    RETURNING environment_id, customer_id, name
), aliases AS (
    INSERT INTO customer_ingest_alias (environment_id, alias, customer_id, position)
    SELECT environment_id, name, customer_id, 0 FROM made
), under_contract AS (
    SELECT made.customer_id, to_jsonb(k) AS fields
      FROM made, contract k WHERE k.customer_id = %(template)s
)
INSERT INTO contract
SELECT (jsonb_populate_record(NULL::contract, fields || jsonb_build_object(
            'contract_id', gen_random_uuid(), 'customer_id', customer_id))).*
  FROM under_contract
"""


def load(platform: Installation, customers: int) -> str:
    """Make the catalogue and return the id of the probe customer, who has a contract like everybody's."""
    with platform.client() as client:
        metrics = {name: _metric(client, name) for name in METRICS}
        products = {name: _product(client, name, metrics[name]) for name in METRICS}
        card = _post(client, "/v1/contract-pricing/rate-cards/create", {"name": "bench"})["id"]
        _post(
            client,
            "/v1/contract-pricing/rate-cards/addRates",
            {"rate_card_id": card, "rates": list(_rates(products))},
        )
        probe = _post(client, "/v1/customers", {"name": PROBE, "ingest_aliases": [PROBE]})["id"]
        _post(
            client,
            "/v1/contracts/create",
            {"customer_id": probe, "rate_card_id": card, "starting_at": _month_start()},
        )
    with psycopg.connect(
        database_url(platform), options="-c role=meterline_pipeline"
    ) as connection:
        connection.execute(COPY_CUSTOMERS, {"customers": customers, "template": probe})
    return str(probe)


def database_url(platform: Installation) -> str:
    """The platform's own database, for what the API does not offer in bulk."""
    endpoint = json.loads((platform.data_dir / "endpoint.json").read_text())
    return str(endpoint["database_url"])


def _metric(client: httpx.Client, name: str) -> str:
    counts = name == "requests"
    body: dict[str, Any] = {
        "name": name,
        "aggregation_type": "COUNT" if counts else "SUM",
        "event_type_filter": {"in_values": ["llm.completion"]},
        "group_keys": [["model"]],
        "property_filters": [{"name": "model", "exists": True}],
    }
    if not counts:
        body["aggregation_key"] = name
    return str(_post(client, "/v1/billable-metrics/create", body)["id"])


def _product(client: httpx.Client, name: str, metric_id: str) -> str:
    body = {
        "name": name,
        "type": "USAGE",
        "billable_metric_id": metric_id,
        "pricing_group_key": ["model"],
    }
    return str(_post(client, "/v1/contract-pricing/products/create", body)["id"])


def _rates(products: dict[str, str]) -> list[dict[str, Any]]:
    return [
        {
            "product_id": product_id,
            "starting_at": _month_start(),
            "entitled": True,
            "rate_type": "FLAT",
            "price": 0.00025 * (place + 1),
            "pricing_group_values": {"model": model},
        }
        for product_id in products.values()
        for place, model in enumerate(MODELS)
    ]


def _month_start() -> str:
    now = datetime.now(UTC)
    return now.replace(day=1, hour=0, minute=0, second=0, microsecond=0).isoformat()


def _post(client: httpx.Client, path: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = client.post(path, json=body)
    if answer.status_code != 200:
        raise RuntimeError(f"{path}: {answer.status_code} {answer.text}")
    data: dict[str, Any] = answer.json()["data"]
    return data
