"""The pages. Each asks a service and renders; nothing here computes money or speaks SQL."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import quote, urlencode, urlsplit
from uuid import UUID

import msgspec
import psycopg
import structlog
from litestar import MediaType, Request, Response, Router, get, post
from litestar.datastructures import CacheControlHeader, Cookie
from litestar.di import Provide
from litestar.enums import RequestEncodingType
from litestar.params import Body, HeaderParameter, Parameter
from litestar.response import Redirect, ServerSentEvent, ServerSentEventMessage
from litestar.static_files import create_static_files_router
from psycopg_pool import PoolTimeout

from meterline.api.components import Components
from meterline.core.errors import Invalid
from meterline.services.environments import Principal, authenticate, token_hash
from meterline.services.errors import NotFound
from meterline.web import customer as customer_page
from meterline.web import overview as overview_page
from meterline.web import session
from meterline.web.customer import CustomerFigures
from meterline.web.live import Reading, stream
from meterline.web.overview import OverviewFigures
from meterline.web.rendering import STATIC, assets_version, render
from meterline.web.watching import Watching, watching_of

logger = structlog.get_logger()

AnyRequest = Request[Any, Any, Any]
Form = Annotated[dict[str, str], Body(media_type=RequestEncodingType.URL_ENCODED)]
LastEventId = Annotated[str | None, HeaderParameter(name="Last-Event-ID")]

TOKEN_LENGTH_MAX = 400
JSON = msgspec.json.Encoder()

# Scripts, styles, pictures and connections from this origin alone, and no inline script or style
# anywhere.
SECURITY_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


class SignedOut(Exception):
    """There is no session, or it is over."""


def _watching(request: AnyRequest, components: Components) -> Watching:
    return watching_of(request.app, components)


async def _viewer(request: AnyRequest, components: Components, watching: Watching) -> Principal:
    """Whoever is signed in. Raises SignedOut."""
    now = int(components.clock().timestamp())
    hashed = session.unseal(watching.secret, request.cookies.get(session.COOKIE, ""), now=now)
    principal = None if hashed is None else await watching.principal(hashed)
    if principal is None or principal.scope == "ingest":
        raise SignedOut
    return principal


def _asked(
    metric: str = "", group: str = "", hours: int = customer_page.HOURS_CHOICES[1]
) -> tuple[str, str, int]:
    """Which usage a customer's page shows, out of its query."""
    return metric, group, hours


# --- signing in and out -------------------------------------------------------------------------


@get("/sign-in", media_type=MediaType.HTML)
async def sign_in_page(request: AnyRequest) -> str:
    """The form."""
    return render("sign_in.html", fault=None, next=_own_path(request.query_params.get("next")))


@post("/sign-in", status_code=200)
async def sign_in(
    request: AnyRequest, components: Components, watching: Watching, data: Form
) -> Response[Any]:
    """Look at the token; open a session for one that may read."""
    target = _own_path(data.get("next"))
    if not session.is_same_origin(request.headers):
        return _sign_in_again("This form was sent from another site.", target, status=403)
    token = data.get("token", "").strip()[:TOKEN_LENGTH_MAX]
    principal = await authenticate(components.database, token) if token else None
    if principal is None:
        return _sign_in_again("This token is not known.", target, status=401)
    if principal.scope == "ingest":
        return _sign_in_again("This token may only send events, not read.", target, status=403)
    expires_at = int(components.clock().timestamp()) + session.SESSION_SECONDS
    cookie = Cookie(
        key=session.COOKIE,
        value=session.seal(watching.secret, token_hash(token), expires_at=expires_at),
        max_age=session.SESSION_SECONDS,
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )
    return Redirect(target, status_code=303, cookies=[cookie])


@post("/sign-out", status_code=303)
async def sign_out(request: AnyRequest) -> Response[Any]:
    """End the session of this browser."""
    if not session.is_same_origin(request.headers):
        return _sign_in_again("This form was sent from another site.", "/", status=403)
    gone = Cookie(key=session.COOKIE, value="", max_age=0, httponly=True, samesite="strict")
    return Redirect("/sign-in", status_code=303, cookies=[gone])


def _sign_in_again(fault: str, target: str, *, status: int) -> Response[Any]:
    page = render("sign_in.html", fault=fault, next=target)
    return Response(page, status_code=status, media_type=MediaType.HTML)


def _own_path(target: str | None) -> str:
    """Return `target` when it is a path of this site, else the overview: never a way to other sites."""
    parts = urlsplit(target or "")
    is_own = not parts.scheme and not parts.netloc and parts.path.startswith("/")
    if not is_own or "\\" in parts.path or parts.path.startswith("//"):
        return "/"
    return parts.path + (f"?{parts.query}" if parts.query else "")


# --- the installation ---------------------------------------------------------------------------


@get("/", media_type=MediaType.HTML)
async def overview(viewer: Principal, watching: Watching) -> str:
    """The installation and the environment's spend."""
    channel = watching.overview(viewer)
    await channel.latest()
    readings = channel.readings()
    return render(
        "overview.html",
        section="overview",
        viewer=viewer,
        view=overview_page.view(readings, channel.trouble),
        charts=overview_page.charts(readings),
    )


@get("/live")
async def overview_live(
    viewer: Principal, watching: Watching, last_event_id: LastEventId = None
) -> ServerSentEvent:
    """The overview's changes, once a second."""
    channel = watching.overview(viewer)

    async def messages(
        fresh: list[Reading[OverviewFigures]], trouble: str | None
    ) -> list[ServerSentEventMessage]:
        readings = channel.readings()
        if fresh:
            series = overview_page.points(readings, len(readings) - len(fresh))
            told = {name: [_wire(one) for one in some] for name, some in series.items()}
        page = render("overview_live.html", view=overview_page.view(readings, trouble))
        number = str(readings[-1].number)
        html = ServerSentEventMessage(data=page, id=number)
        if not fresh:
            return [html]
        return [ServerSentEventMessage(event="points", data=JSON.encode(told).decode()), html]

    return stream(channel, messages, last_event_id)


def _wire(point: overview_page.Point) -> dict[str, object]:
    return {"at": point.at, "value": point.value, "text": point.text}


# --- customers ----------------------------------------------------------------------------------


@get("/customers", media_type=MediaType.HTML)
async def customers(
    viewer: Principal,
    watching: Watching,
    q: Annotated[str, Parameter(max_length=200)] = "",
    after: Annotated[str | None, Parameter(max_length=2000)] = None,
) -> str:
    """The customers, by name, found by name, alias or id."""
    found, following = await watching.customers(viewer, q.strip(), after)
    search = {"q": q} if q else {}
    return render(
        "customers.html",
        section="customers",
        viewer=viewer,
        query=q,
        rows=found,
        is_first=after is None,
        first_url="/customers?" + urlencode(search),
        next_url="/customers?" + urlencode({**search, "after": following}) if following else None,
    )


@get("/customers/{customer_id:uuid}", media_type=MediaType.HTML)
async def customer(
    viewer: Principal,
    watching: Watching,
    customer_id: UUID,
    asked: tuple[str, str, int],
) -> str:
    """One customer: usage by hour and running invoices."""
    person = await watching.customer(viewer, customer_id)
    channel = watching.customer_figures(viewer, customer_id)
    usage = await watching.usage(viewer, customer_id, asked)
    latest = await channel.latest()
    return render(
        "customer.html",
        section="customers",
        viewer=viewer,
        customer=person,
        usage=usage,
        view=customer_page.view(latest.figures, channel.trouble),
    )


@get("/customers/{customer_id:uuid}/live")
async def customer_live(
    viewer: Principal,
    watching: Watching,
    customer_id: UUID,
    asked: tuple[str, str, int],
    last_event_id: LastEventId = None,
) -> ServerSentEvent:
    """The customer page's changes."""
    await watching.customer(viewer, customer_id)
    channel = watching.customer_figures(viewer, customer_id)

    async def messages(
        fresh: list[Reading[CustomerFigures]], trouble: str | None
    ) -> list[ServerSentEventMessage]:
        newest = channel.readings()[-1]
        page = render("customer_live.html", view=customer_page.view(newest.figures, trouble))
        html = ServerSentEventMessage(data=page, id=str(newest.number))
        if not fresh:
            return [html]
        usage = await watching.usage(viewer, customer_id, asked)
        table = render("usage_live.html", usage=usage)
        return [ServerSentEventMessage(event="usage", data=table), html]

    return stream(channel, messages, last_event_id)


# --- faults, as pages ---------------------------------------------------------------------------


def _to_sign_in(request: AnyRequest, _: SignedOut) -> Response[Any]:
    if request.headers.get("hx-request") or request.url.path.endswith("/live"):
        return Response("", status_code=401, media_type=MediaType.TEXT)
    target = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return Redirect(
        "/sign-in" + ("" if target == "/" else f"?next={quote(target)}"), status_code=303
    )


def _fault(status: int, title: str, text: str) -> Response[Any]:
    page = render("fault.html", title=title, text=text)
    return Response(page, status_code=status, media_type=MediaType.HTML, headers=SECURITY_HEADERS)


def _not_found(_: AnyRequest, error: NotFound) -> Response[Any]:
    return _fault(404, "Not found", f"{error}.".capitalize())


def _invalid(_: AnyRequest, error: Invalid) -> Response[Any]:
    return _fault(400, "This address cannot be read", f"{error}.")


def _database_away(request: AnyRequest, error: Exception) -> Response[Any]:
    logger.warning("database_away", path=request.url.path, error=str(error))
    text = "The database does not answer at the moment. Events are kept; try again soon."
    return _fault(503, "The figures are not available", text)


pages = Router(
    "/",
    route_handlers=[
        sign_in_page,
        sign_in,
        sign_out,
        overview,
        overview_live,
        customers,
        customer,
        customer_live,
    ],
    dependencies={
        "watching": Provide(_watching, sync_to_thread=False),
        "viewer": Provide(_viewer),
        "asked": Provide(_asked, sync_to_thread=False),
    },
    exception_handlers={
        SignedOut: _to_sign_in,
        NotFound: _not_found,
        Invalid: _invalid,
        psycopg.OperationalError: _database_away,
        PoolTimeout: _database_away,
    },
    response_headers=SECURITY_HEADERS,
    cache_control=CacheControlHeader(no_store=True),
    include_in_schema=False,
)

assets = create_static_files_router(
    path=f"/static/{assets_version()}",
    directories=[STATIC],
    cache_control=CacheControlHeader(max_age=365 * 24 * 3600, immutable=True),
    include_in_schema=False,
)

routes = [pages, assets]
