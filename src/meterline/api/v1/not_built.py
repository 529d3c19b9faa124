"""The SDK's end points that Meterline does not have yet: an honest 501 that says so.

Each line is a method and a path. Whoever builds one takes its line out: with a path twice, nothing starts.
"""

from __future__ import annotations

from litestar import HttpMethod, route
from litestar.types import ControllerRouterHandler

from meterline.api.errors import AnyRequest, ApiError

PATHS = """
POST /v1/customers/{customer_id:str}/previewEvents
POST /v1/getCustomerBillingProviderConfigurations
POST /v1/setCustomerBillingProviderConfigurations
POST /v1/archiveCustomerBillingProviderConfigurations
GET  /v1/customers/{customer_id:str}/costs
POST /v1/contracts/createHistoricalInvoices
POST /v1/contracts/amend
POST /v1/customers/{customer_id:str}/addCharge
GET  /v1/customers/{customer_id:str}/invoices/{invoice_id:str}/pdf
POST /v2/notifications/create
POST /v2/notifications/get
POST /v2/notifications/edit
POST /v2/notifications/archive
POST /v2/notifications/offset/list
POST /v2/notifications/system/list
POST /v1/packages/create
POST /v1/packages/get
POST /v1/packages/list
POST /v1/packages/archive
POST /v1/packages/listContractsOnPackage
POST /v1/dashboards/getEmbeddableUrl
GET  /v1/auditLogs
GET  /v1/services
POST /v1/setUpBillingProvider
POST /v1/listConfiguredBillingProviders
POST /v1/upsertAvalaraCredentials
POST /v1/contract-pricing/rate-cards/getNamedSchedule
POST /v1/contract-pricing/rate-cards/updateNamedSchedule
POST /v1/contracts/getNamedSchedule
POST /v1/contracts/updateNamedSchedule
POST /v1/contracts/listNamedSchedules
POST /v1/customers/getNamedSchedule
POST /v1/customers/updateNamedSchedule
GET  /v1/plans
GET  /v1/planDetails/{plan_id:str}
GET  /v1/planDetails/{plan_id:str}/charges
GET  /v1/planDetails/{plan_id:str}/customers
GET  /v1/customers/{customer_id:str}/plans
POST /v1/customers/{customer_id:str}/plans/add
POST /v1/customers/{customer_id:str}/plans/{customer_plan_id:str}/end
GET  /v1/customers/{customer_id:str}/plans/{customer_plan_id:str}/priceAdjustments
POST /v1/credits/createGrant
POST /v1/credits/listGrants
POST /v1/credits/editGrant
POST /v1/credits/listEntries
POST /v1/credits/voidGrant
POST /v1/customers/{customer_id:str}/billing-config/{billing_provider_type:str}
GET  /v1/customers/{customer_id:str}/billing-config/{billing_provider_type:str}
DELETE /v1/customers/{customer_id:str}/billing-config/{billing_provider_type:str}
"""

NOT_BUILT = [tuple(line.split()) for line in PATHS.split("\n") if line]


def _refusal(method: str, path: str) -> ControllerRouterHandler:
    @route(
        path,
        http_method=[HttpMethod(method)],
        status_code=501,
        include_in_schema=False,
        sync_to_thread=False,
        name=f"not built: {method} {path}",
    )
    def refuse(request: AnyRequest) -> None:
        raise ApiError(
            501, f"{request.scope['path']} is not supported yet", {"x-should-retry": "false"}
        )

    return refuse


routes = [_refusal(method, path) for method, path in NOT_BUILT]
