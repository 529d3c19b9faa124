"""/v1/contracts/getContractRateSchedule: what a contract pays, and why."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from meterline.api.requests import (
    Body,
    Instant,
    Limit,
    NextPage,
    Reply,
    optional_instant,
    page_request,
)
from meterline.api.v1.rates import (
    CommitRateReply,
    RateReply,
    SelectorBody,
    commit_rate_reply,
    rate_reply,
    selectors,
)
from meterline.api.wire import post
from meterline.services import contract_rates
from meterline.services.workspace import Workspace


class GetContractRateSchedule(Body):
    contract_id: UUID
    customer_id: UUID
    at: Instant | None = None
    selectors: list[SelectorBody] | None = None


class ContractRateRow(Reply):
    entitled: bool
    list_rate: RateReply
    product_id: UUID
    product_name: str
    product_tags: list[str]
    product_custom_fields: dict[str, str]
    rate_card_id: UUID
    starting_at: datetime
    ending_before: datetime | None = None
    pricing_group_values: dict[str, str] | None = None
    commit_rate: CommitRateReply | None = None
    override_rate: RateReply | None = None
    billing_frequency: str | None = None


class ContractRatesReply(Reply):
    data: list[ContractRateRow]
    next_page: str | None


@post("/v1/contracts/getContractRateSchedule", scope="read")
async def get_contract_rate_schedule(
    workspace: Workspace,
    data: GetContractRateSchedule,
    limit: Limit = None,
    next_page: NextPage = None,
) -> ContractRatesReply:
    """What the contract is entitled to, at an instant or through its life, with the override that acts."""
    at = optional_instant("at", data.at)
    request = page_request("contract-rates", next_page, limit, data.contract_id, at, data.selectors)
    page, rate_card_id = await contract_rates.page(
        workspace,
        data.contract_id,
        data.customer_id,
        at=at,
        selectors=selectors(data.selectors),
        request=request,
    )
    if rate_card_id is None:
        return ContractRatesReply(data=[], next_page=None)
    rows = [
        ContractRateRow(
            entitled=True,
            list_rate=rate_reply(row.rate),
            override_rate=None if override_rate is None else rate_reply(override_rate),
            product_id=row.rate.product_id,
            product_name=row.product_name,
            product_tags=list(row.product_tags),
            product_custom_fields=row.product_custom_fields,
            rate_card_id=rate_card_id,
            starting_at=row.starting_at,
            ending_before=row.ending_before,
            pricing_group_values=dict(row.rate.pricing_group_values) or None,
            commit_rate=commit_rate_reply(row.rate),
            billing_frequency=row.rate.billing_frequency,
        )
        for row, override_rate in ((one.row, one.override_rate) for one in page.rows)
    ]
    return ContractRatesReply(data=rows, next_page=page.next_page)


routes = [get_contract_rate_schedule]
