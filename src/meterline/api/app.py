"""The HTTP application: route modules, authentication, errors and the platform's own end points."""

from __future__ import annotations

from typing import Any

from litestar import Litestar, Router
from litestar.datastructures import MutableScopeHeaders, State
from litestar.di import Provide
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components as OpenApiComponents
from litestar.openapi.spec import SecurityScheme
from litestar.types import Message, Scope

from meterline import __version__
from meterline.api import health
from meterline.api.auth import BearerAuthentication, require_scope
from meterline.api.components import Components
from meterline.api.errors import EXCEPTION_HANDLERS, AnyRequest, request_id
from meterline.api.idempotency import IdempotencyMiddleware
from meterline.api.requests import workspace_of
from meterline.api.v1 import (
    alerts,
    balances,
    contract_rates,
    contracts,
    credit_types,
    custom_fields,
    customer_grants,
    customers,
    events,
    ingest,
    invoices,
    metrics,
    not_built,
    pipeline,
    products,
    professional_services,
    rate_cards,
    rates,
    sandbox,
    seat_balances,
    simulations,
    subscriptions,
    unmatched,
    usage,
)
from meterline.api.v2 import contract_edits
from meterline.api.v2 import contracts as contracts_v2
from meterline.api.wire import JsonBody
from meterline.metering.gateway import IngestGateway
from meterline.services.environments import Principal
from meterline.stream.group_commit import GroupCommit
from meterline.web.routes import routes as web_routes

BODY_BYTES_MAX = 16 * 1024 * 1024

API_MODULES = (
    ingest,
    pipeline,
    unmatched,
    usage,
    events,
    invoices,
    credit_types,
    metrics,
    products,
    rate_cards,
    rates,
    customers,
    contracts,
    contracts_v2,
    contract_edits,
    contract_rates,
    subscriptions,
    professional_services,
    balances,
    customer_grants,
    seat_balances,
    custom_fields,
    sandbox,
    simulations,
    alerts,
    not_built,
)


def create_app(components: Components) -> Litestar:
    """The application over `components`. Whoever opened them closes them."""
    gateway = IngestGateway(GroupCommit(components.log))
    return Litestar(
        [*health.routes, api_router(), *web_routes],
        dependencies={
            "components": Provide(_components, sync_to_thread=False),
            "gateway": Provide(_gateway, sync_to_thread=False),
        },
        exception_handlers=EXCEPTION_HANDLERS,
        before_send=[_with_request_id],
        openapi_config=OpenAPIConfig(
            title="Meterline",
            version=__version__,
            path="/schema",
            render_plugins=[JsonRenderPlugin(path="/openapi.json")],  # the others load from a CDN
            components=OpenApiComponents(
                security_schemes={"bearer": SecurityScheme(type="http", scheme="bearer")}
            ),
            security=[{"bearer": []}],
        ),
        request_max_body_size=BODY_BYTES_MAX,
        state=State({"components": components, "gateway": gateway}),
        on_shutdown=[gateway.close],
        debug=False,
        logging_config=None,
    )


def api_router() -> Router:
    """Every route that a token opens."""
    handlers = [route for module in API_MODULES for route in module.routes]
    return Router(
        "/",
        route_handlers=handlers,
        dependencies={
            "principal": Provide(_principal, sync_to_thread=False),
            "workspace": Provide(workspace_of),
        },
        dto=JsonBody,
        guards=[require_scope],
        middleware=[BearerAuthentication, IdempotencyMiddleware],
    )


def _components(state: State) -> Any:
    return state.components


def _gateway(state: State) -> Any:
    return state.gateway


def _principal(request: AnyRequest) -> Any:
    principal: Principal = request.user
    return principal


async def _with_request_id(message: Message, scope: Scope) -> None:
    """Name every reply, so that a caller's report leads to the server's log."""
    if message["type"] == "http.response.start":
        MutableScopeHeaders.from_message(message)["Request-Id"] = request_id(scope)
