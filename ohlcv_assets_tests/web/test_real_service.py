"""The page and the datafeed against the service itself: what the stand-in promises, the service keeps."""

from __future__ import annotations

import datetime as dt
import json
import re
from urllib.request import Request, urlopen

import pytest
from playwright.sync_api import Page, expect

from ohlcv_assets.reading import Reader
from ohlcv_assets.units import day_bounds
from ohlcv_assets_tests.secrets_guard import keep_secret
from ohlcv_assets_tests.web.conftest import Opener, OpenerOf
from ohlcv_assets_tests.web.served import FIRST, LAST_MADE, Served
from ohlcv_assets_tests.web.test_bad_days import light, times_under_the_pointer
from ohlcv_assets_tests.web.test_chart_page import READY, drawn
from ohlcv_assets_tests.web.test_datafeed import LIBRARY, wait_for

pytestmark = pytest.mark.integration


@pytest.fixture
def open_served(open_on: OpenerOf, served: Served) -> Opener:
    """Return what opens the chart page of the service."""
    return open_on(lambda: served.url)


def ends_with(page: Page, when: str) -> None:
    """Wait until the last bar that is visible is of some time."""
    page.mouse.move(5, 5)
    expect(page.locator("#legend .when")).to_contain_text(when)


def read_out(page: Page) -> list[str]:
    """Return open, high, low and close of the last visible bar, as the page reads them out."""
    page.mouse.move(5, 5)
    return [text.replace(",", "") for text in page.locator("#legend dd").all_inner_texts()[:4]]


def stored(served: Served, symbol: str, resolution: str, day: dt.date) -> list[str]:
    """Return the same of the last stored bar of a day."""
    assert served.service is not None
    start, end = day_bounds(day)
    bars = Reader(served.service.project).bars(symbol, resolution, start, end, as_="arrow")
    return [f"{bars[name][-1].as_py():.2f}" for name in ("open", "high", "low", "close")]


def test_the_page_shows_what_the_store_holds(open_served: Opener, served: Served, complaints: list[str]) -> None:
    """The last bar of all, read out to the cent; stocks end with their session; nothing breaks the policy."""
    page = open_served("?symbol=BTC-USD&resolution=1h")
    ends_with(page, "Fri 29 Mar 2024 23:00")
    assert read_out(page) == stored(served, "BTC-USD", "1h", LAST_MADE)
    page = open_served("?symbol=AAPL&resolution=15m")
    ends_with(page, "Thu 28 Mar 2024 15:45")
    assert read_out(page) == stored(served, "AAPL", "15m", dt.date(2024, 3, 28))
    assert complaints == []


def time_at(page: Page, left: int) -> dt.datetime:
    """Return the time of the bar at a place of the screen."""
    page.mouse.move(left, 300)
    drawn(page)
    text = page.locator("#legend .when").inner_text().rpartition("· ")[2]
    return dt.datetime.strptime(text, "%a %d %b %Y %H:%M").replace(tzinfo=dt.UTC)


def test_zooming(open_served: Opener) -> None:
    """Wheel and keys show more bars or fewer; the last one stays in sight."""
    page = open_served("?symbol=BTC-USD&resolution=1h")
    widths = [time_at(page, 1_100) - time_at(page, 100)]
    page.mouse.wheel(0, 400)
    drawn(page)
    widths.append(time_at(page, 1_100) - time_at(page, 100))
    for _ in range(6):
        page.keyboard.press("+")
    drawn(page)
    widths.append(time_at(page, 1_100) - time_at(page, 100))
    page.keyboard.press("-")
    drawn(page)
    widths.append(time_at(page, 1_100) - time_at(page, 100))
    assert widths[2] < widths[3] < widths[0] < widths[1]
    ends_with(page, "Fri 29 Mar 2024 23:00")


def test_scrolling_back_over_a_month(open_served: Opener) -> None:
    """Older bars come as they are needed, down to the first of all; the latest are one key away."""
    page = open_served("?symbol=BTC-USD&resolution=1h")
    page.locator("#chart").focus()
    for _ in range(12):
        page.keyboard.press("Shift+ArrowLeft")
        drawn(page)
        page.wait_for_selector("#edge", state="hidden")
    ends_with(page, " Feb 2024")
    page.keyboard.press("Home")
    drawn(page)
    page.mouse.move(12, 300)
    expect(page.locator("#legend .when")).to_contain_text(FIRST.strftime("%-d %b %Y"))
    page.keyboard.press("End")
    ends_with(page, "Fri 29 Mar 2024 23:00")


_ASKED = """performance.getEntriesByType("resource").filter(({ name }) => name.includes("/api/v1/ohlc?"))
    .map(({ name, transferSize, decodedBodySize }) => [name, transferSize, decodedBodySize])"""


def panned_back(page: Page) -> dict[str, tuple[int, int]]:
    """Go back some screens; return what was asked for of closed days, with its bytes from the net and its own."""
    page.locator("#chart").focus()
    for _ in range(8):
        page.keyboard.press("Shift+ArrowLeft")
        drawn(page)
        page.wait_for_selector("#edge", state="hidden")
    asked = page.evaluate(_ASKED)
    return {name: (net, own) for name, net, own in asked if "version=" in name}


def test_panning_back_once_more_asks_nobody(open_served: Opener) -> None:
    """Bars of closed days come out of the browser's own cache when the page is opened again."""
    page = open_served("?symbol=BTC-USD&resolution=15m")
    first = panned_back(page)
    assert len(first) >= 2
    assert all(net > 0 for net, _ in first.values())
    address = page.url
    page.goto("about:blank")
    page.goto(address)
    page.wait_for_selector(READY)
    again = panned_back(page)
    assert len(first.keys() & again.keys()) >= 2
    assert all(again[name][0] == 0 and again[name][1] > 1_000 for name in first.keys() & again.keys())


def test_picked_days_that_are_too_wide_come_coarser(open_served: Opener) -> None:
    """The service's rule and reason are on the page, which ends with the last of the picked days."""
    page = open_served("?symbol=BTC-USD&resolution=1m")
    page.keyboard.press("d")
    expect(page.locator("#dates-known")).to_contain_text("from 2024-02-01 to 2024-03-31")
    page.locator("#dates-from").fill("2024-02-01")
    page.locator("#dates-to").fill("2024-03-10")
    page.get_by_role("button", name="Show", exact=True).click()
    expect(page).to_have_url(re.compile("from=2024-02-01&to=2024-03-10"))
    expect(page.locator("#effective")).to_have_text("15m instead of 1m: the range is longer than 30 days")
    page.wait_for_selector(READY)
    ends_with(page, "Sun 10 Mar 2024 23:45")


def test_another_symbol_is_found_and_shown(open_served: Opener) -> None:
    """The search asks the service; the address follows."""
    page = open_served("?symbol=AAPL&resolution=5m")
    page.keyboard.press("/")
    page.keyboard.type("btc")
    page.keyboard.press("Enter")
    expect(page.locator("#legend")).to_contain_text("BTC-USD")
    expect(page).to_have_url(re.compile("symbol=BTC-USD"))


def test_the_datafeed_gets_what_it_counts_on(open_served: Opener, served: Served, complaints: list[str]) -> None:
    """Called as the library calls it: as many bars as wanted, up to the last stored, none before all history."""
    page = open_served()
    page.evaluate(f"({LIBRARY})('{served.url}')")
    wait_for(page, "window.saw !== undefined")
    saw = page.evaluate("saw")
    assert (saw["early"], saw["errors"], saw["found"]) == (0, [], ["BTC-USD"])
    assert "1" in saw["resolutions"]
    latest, older, none = saw["pages"]
    assert latest["count"] == 329
    assert older["count"] == 300
    assert older["last"] < latest["first"]
    assert latest["last"] <= day_bounds(LAST_MADE)[1] // 1_000_000
    assert none == {"count": 0, "first": None, "last": None, "noData": True}
    assert complaints == []


def post(served: Served, minute: int, price: float) -> None:
    """Post a trade of a minute of the first day that is not made."""
    assert served.service is not None
    if not served.key:
        served.key = keep_secret(served.service.keys.create("a test", "write")[1])
    trade = {"symbol": "BTC-USD", "ts": f"2024-03-30T00:{minute:02}:30Z", "price": price, "amount": 0.5, "side": 1}
    request = Request(  # noqa: S310 -- as below
        served.url + "api/v1/trades",
        json.dumps(trade).encode(),
        {"Content-Type": "application/json", "X-API-Key": served.key},
    )
    with urlopen(request, timeout=60) as reply:  # noqa: S310 -- our own service
        assert reply.status == 201


def test_a_posted_trade_is_seen_at_once(open_served: Opener, served: Served, complaints: list[str]) -> None:
    """The bar of its minute grows with each trade, and a later one follows it."""
    page = open_served("?symbol=BTC-USD&resolution=1m")
    light(page, "Live")
    post(served, 0, 50_000.25)
    expect(page.locator("#legend")).to_contain_text("50,000.25")
    expect(page.locator("#legend .when")).to_contain_text("Sat 30 Mar 2024 00:00")
    post(served, 0, 50_000.75)
    expect(page.locator("#legend")).to_contain_text("50,000.75")
    post(served, 1, 49_999.5)
    expect(page.locator("#legend .when")).to_contain_text("Sat 30 Mar 2024 00:01")
    assert read_out(page) == ["49999.50"] * 4
    assert complaints == []


def test_a_restart_of_the_service_loses_nothing(open_served: Opener, served: Served) -> None:
    """The light says that it is gone; when it is back, what was posted before and after is in the chart."""
    page = open_served("?symbol=BTC-USD&resolution=1m")
    light(page, "Live")
    post(served, 0, 50_000.25)
    expect(page.locator("#legend")).to_contain_text("50,000.25")
    served.stop()
    light(page, "Lost")
    served.start()
    light(page, "Live")
    post(served, 2, 50_002.5)
    expect(page.locator("#legend")).to_contain_text("50,002.50")
    page.reload()
    page.wait_for_selector(READY)
    assert {"Sat 30 Mar 2024 00:00", "Sat 30 Mar 2024 00:02"} <= times_under_the_pointer(page)
