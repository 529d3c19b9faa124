"""What a reader sees. Colours and shapes are looked at by people; what can be measured is measured here."""

from __future__ import annotations

import time
from collections.abc import Callable
from decimal import Decimal

import httpx
import pytest
from playwright.sync_api import Page, Route, expect
from tests.browser.conftest import Site, new_token

Eventually = Callable[[Callable[[], bool], float], None]
LIVE_SECONDS_MAX = 2.0


def overflow(page: Page) -> int:
    """Return by how many pixels the page is wider than its window."""
    width = page.evaluate(
        "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )
    assert isinstance(width, int)
    return width


def figure(page: Page, label: str) -> str:
    """Return the key figure of that label."""
    box = page.locator(".figure", has=page.get_by_text(label, exact=True))
    return box.locator("dd").first.inner_text()


def test_signing_in_and_out(site: Site) -> None:
    page = site.signed_in()
    assert page.url == f"{site.url}/"
    expect(page.get_by_text(site.environment, exact=True)).to_be_visible()
    cookie = page.context.cookies()[0]
    assert cookie["httpOnly"]
    assert cookie["sameSite"] == "Strict"
    assert site.token not in cookie["value"]
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/sign-in")
    page.goto(f"{site.url}/customers")
    assert "/sign-in?next=/customers" in page.url


def test_a_wrong_token_is_refused_in_words(site: Site) -> None:
    page = site.page()
    page.goto(f"{site.url}/sign-in")
    page.get_by_label("Token").fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_have_text("This token is not known.")
    assert page.context.cookies() == []
    # Chromium itself notes the 401 on the console; nothing else may be there.
    site.faults = [fault for fault in site.faults if "401" not in fault]


def test_the_link_of_the_demo_fills_the_token_in_and_keeps_it_out_of_the_address(
    site: Site,
) -> None:
    page = site.page()
    page.goto(f"{site.url}/sign-in#token={site.token}")
    expect(page.get_by_label("Token")).to_have_value(site.token)
    assert site.token not in page.url
    page.keyboard.press("Enter")
    page.wait_for_selector("[data-live-state=live]")


def test_after_signing_in_one_is_where_one_wanted_to_go_but_never_elsewhere(site: Site) -> None:
    for wanted, reached in (
        ("/customers?q=a", "/customers?q=a"),
        ("https://evil.test/", "/"),
        ("//evil.test/", "/"),
    ):
        reply = httpx.post(f"{site.url}/sign-in", data={"token": site.token, "next": wanted})
        assert reply.headers["location"] == reached


def test_a_form_of_another_site_is_refused(site: Site) -> None:
    for path in ("/sign-in", "/sign-out"):
        reply = httpx.post(
            f"{site.url}{path}",
            data={"token": site.token},
            headers={"Origin": "https://evil.test"},
        )
        assert reply.status_code == 403
        assert "set-cookie" not in reply.headers


@pytest.mark.parametrize("path", ["/", "/customers", "/live", "/customers/{id}/live"])
def test_nothing_is_shown_without_a_session(site: Site, path: str) -> None:
    address = site.url + path.format(id=site.customer_id("acme"))
    for cookie in ("", "a.1.b", "0" * 64 + ".9999999999." + "0" * 64):
        reply = httpx.get(address, cookies={"meterline_session": cookie})
        assert reply.status_code in {303, 401}
        assert "Acme" not in reply.text


def test_one_environment_does_not_see_another(site: Site) -> None:
    other = new_token(site.platform, f"other-{time.time_ns()}")
    with httpx.Client(base_url=site.url) as client:
        client.post("/sign-in", data={"token": other})
        assert "Acme" not in client.get("/customers").text
        assert client.get(f"/customers/{site.customer_id('acme')}").status_code == 404


def test_the_policy_forbids_inline_scripts_and_other_origins(site: Site) -> None:
    reply = httpx.get(f"{site.url}/sign-in")
    policy = reply.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert reply.headers["cache-control"] == "no-store"
    assert "<script>" not in reply.text
    assert "style=" not in reply.text


def test_spend_moves_within_two_seconds_of_an_event(site: Site, eventually: Eventually) -> None:
    page = site.signed_in()
    site.send("acme", "large", 100)
    eventually(lambda: figure(page, "Spend this period") == "$1.00", 10)
    for number in range(2, 5):
        started = time.monotonic()
        site.send("acme", "large", 100)
        eventually(lambda n=number: figure(page, "Spend this period") == f"${n}.00", 5)  # type: ignore[misc]
        assert time.monotonic() - started <= LIVE_SECONDS_MAX
    expect(page.locator("#customers")).to_contain_text("Acme Corporation")
    expect(page.locator("#products")).to_contain_text("Tokens")


@pytest.mark.parametrize("late", ["htmx-with-sse.min.js", "chart.js", "app.js"])
def test_a_page_is_live_also_when_one_of_its_scripts_comes_late(site: Site, late: str) -> None:
    page = site.signed_in()

    def delayed(route: Route) -> None:
        time.sleep(0.5)
        route.continue_()

    page.route(f"**/{late}", delayed)
    page.goto(f"{site.url}/?again")
    page.wait_for_selector("[data-live-state=live]", timeout=5000)


def test_usage_of_nobody_is_shown_as_unmatched(site: Site, eventually: Eventually) -> None:
    page = site.signed_in()
    expect(page.locator("#unmatched")).to_contain_text("Every event matched")
    site.send("stranger", "large", 1)
    eventually(lambda: "stranger" in page.locator("#unmatched").inner_text(), 10)
    assert figure(page, "Unmatched events") == "1"


@pytest.mark.parametrize("chart", ["events", "spend"])
def test_a_live_chart_shows_what_its_table_says(
    site: Site, eventually: Eventually, chart: str
) -> None:
    site.send("acme", "large", 100)
    page = site.signed_in()
    rows = page.locator(f"#{chart}-table tbody tr")
    eventually(lambda: rows.count() >= 4, 10)
    drawn, told = page.evaluate(
        """(id) => [charts.values(id), [...document.querySelectorAll(`#${id}-table tbody tr`)]
            .map((row) => [Number(row.dataset.at), Number(row.dataset.value),
            row.cells[1].textContent])]""",
        chart,
    )
    assert list(zip(*drawn, strict=True)) == [(at, value) for at, value, _ in told]
    for _, value, text in told:
        assert Decimal(text.replace("$", "").replace(",", "")) == Decimal(str(value))


def test_a_customer_has_usage_by_hour_and_invoice_lines(site: Site, eventually: Eventually) -> None:
    site.send("acme", "large", 50)
    site.send("acme", "small", 150)
    site.until_rated()
    page = site.signed_in()
    page.goto(f"{site.url}/customers/{site.customer_id('acme')}?group=model")
    invoice = page.locator("#invoices table")
    expect(invoice.locator("tfoot")).to_contain_text("$0.75")
    lines = invoice.locator("tbody tr:not(.subtotal)").all_inner_texts()
    assert [[cell.strip() for cell in line.split("\t")][1:] for line in lines] == [
        ["50", "$0.01", "$0.50"],
        ["100", "$0.002", "$0.20"],
        ["50", "$0.001", "$0.05"],
    ]
    assert [" ".join(line.split("\t")[0].split()) for line in lines] == [
        "model large",
        "model small tier 1",
        "model small tier 2",
    ]
    drawn = page.evaluate("charts.values('usage')")
    assert len(drawn[0]) == 48
    assert sorted(sum(column) for column in drawn[1:]) == [50, 150]
    cells = page.locator("#usage-table tbody tr").last.locator("td").all_text_contents()
    assert cells[1:] == ["150", "50"]

    site.send("acme", "large", 25)  # and it is live
    eventually(lambda: "$1.00" in invoice.locator("tfoot").inner_text(), 10)
    eventually(lambda: page.evaluate("charts.values('usage')")[2][-1] == 75, 5)


def test_a_customer_without_contract_is_said_to_have_none(site: Site) -> None:
    page = site.signed_in()
    page.goto(f"{site.url}/customers/{site.customer_id('globex')}")
    expect(page.locator("#invoices")).to_contain_text("No contract of this customer runs now")


def test_customers_are_found_while_typing(site: Site) -> None:
    page = site.signed_in()
    page.keyboard.press("/")
    page.wait_for_url("**/customers")
    expect(page.locator("#directory tbody tr")).to_have_count(2)
    page.keyboard.press("/")
    page.keyboard.type("ACM")
    expect(page.locator("#directory tbody tr")).to_have_count(1)
    expect(page.locator("#directory")).to_contain_text("Acme Corporation")
    page.get_by_label("Search customers").fill("100%_")
    expect(page.locator("#directory")).to_contain_text("No customer matches “100%_”.")


def test_an_unknown_customer_is_a_page_that_says_so(site: Site) -> None:
    page = site.signed_in()
    reply = page.goto(f"{site.url}/customers/00000000-0000-0000-0000-000000000000")
    assert reply is not None
    assert reply.status == 404
    expect(page.get_by_role("heading", name="Not found")).to_be_visible()
    site.faults = [fault for fault in site.faults if "404" not in fault]


def test_names_are_text_and_never_markup(site: Site) -> None:
    body = {"name": "<img src=x onerror=alert(1)>", "ingest_aliases": ["<b>"]}
    httpx.post(f"{site.url}/v1/customers", json=body, headers=site.headers).raise_for_status()
    page = site.signed_in()
    page.goto(f"{site.url}/customers")
    expect(page.get_by_text("<img src=x onerror=alert(1)>")).to_be_visible()
    assert page.locator("#directory img").count() == 0


@pytest.mark.parametrize(("width", "scheme"), [(1360, "dark"), (1360, "light"), (390, "light")])
def test_every_page_fits_its_window(site: Site, width: int, scheme: str) -> None:
    site.send("acme", "large", 123_456_789)
    site.send("a-stranger-with-a-rather-long-alias-" * 3, "large", 1)
    site.until_rated()
    page = site.signed_in(viewport={"width": width, "height": 800}, color_scheme=scheme)
    expect(page.locator("html")).to_have_attribute("data-theme", scheme)
    expect(page.locator("#customers a")).to_have_count(1)
    assert overflow(page) == 0
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(15, 20, 19)"
    assert dark == (scheme == "dark")
    for path in ("/customers", f"/customers/{site.customer_id('acme')}"):
        page.goto(site.url + path)
        assert overflow(page) == 0


def test_the_theme_can_be_chosen_and_stays(site: Site) -> None:
    page = site.signed_in(color_scheme="light")
    page.get_by_role("button", name="Switch between light and dark").click()
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")


def test_times_are_the_readers(site: Site) -> None:
    page = site.signed_in(timezone_id="Asia/Tokyo", locale="de-DE")
    page.goto(f"{site.url}/customers/{site.customer_id('acme')}")
    time_shown = page.locator("#usage-table time").first
    utc = time_shown.get_attribute("datetime")
    page.get_by_text("As a table").click()
    assert utc is not None
    hour = (int(utc[11:13]) + 9) % 24
    expect(time_shown).to_contain_text(f"{hour:02}:00")


def test_a_stream_resumes_after_the_last_event(site: Site) -> None:
    with httpx.Client(base_url=site.url, timeout=10) as client:
        client.post("/sign-in", data={"token": site.token})
        first = _event_id(client, None)
        time.sleep(2.5)
        with client.stream("GET", "/live", headers={"Last-Event-ID": first}) as reply:
            points = next(line for line in reply.iter_lines() if line.startswith("data: {"))
        assert points.count('"at"') >= 4  # two charts, two seconds at least


def _event_id(client: httpx.Client, after: str | None) -> str:
    headers = {"Last-Event-ID": after} if after else {}
    with client.stream("GET", "/live", headers=headers) as reply:
        assert reply.headers["content-type"].startswith("text/event-stream")
        return next(line[4:] for line in reply.iter_lines() if line.startswith("id: "))
