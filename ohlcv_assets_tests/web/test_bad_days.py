"""The chart page when something is missing: bars, the service, a key, the network, the stream."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from ohlcv_assets_tests.web.conftest import Opener
from ohlcv_assets_tests.web.standin import LAST, Standin, bar_at

pytestmark = pytest.mark.integration


def light(page: Page, text: str) -> None:
    """Wait until the connection light says something."""
    expect(page.locator("#light")).to_have_text(text)


def close_of(page: Page) -> str:
    """Return the last close that is read out."""
    page.mouse.move(5, 5)
    return page.locator("#legend dd").nth(3).inner_text()


def times_under_the_pointer(page: Page) -> set[str]:
    """Return the times of the bars on the right of the chart, read out one by one."""
    for _ in range(6):
        page.keyboard.press("+")
    found = set()
    for left in range(900, 1_190, 8):
        page.mouse.move(left, 300)
        found.add(page.locator("#legend .when").inner_text().rpartition("· ")[2])
    return found


def test_a_live_bar_grows_and_others_follow(open_page: Opener, service: Standin) -> None:
    """What the stream sends is on the chart at once: the bar that grows and the one after it."""
    page = open_page("?symbol=BTC-USD&resolution=1m")
    light(page, "Live")
    bar = bar_at("BTC-USD", "1m", LAST)
    service.push("BTC-USD", "1m", bar | {"c": 50_000.25, "h": 50_001.0})
    expect(page.locator("#legend")).to_contain_text("50,000.25")
    service.push("BTC-USD", "1m", bar | {"c": 50_000.75, "h": 50_001.0})
    expect(page.locator("#legend")).to_contain_text("50,000.75")
    service.push("BTC-USD", "1m", bar_at("BTC-USD", "1m", LAST + 60_000))
    expect(page.locator("#legend .when")).to_contain_text("Mon 1 Jul 2024 00:01")


def test_a_restart_of_the_service_leaves_no_gap(open_page: Opener, service: Standin) -> None:
    """The light says that the service is gone; when it is back, bars that came meanwhile are there."""
    page = open_page("?symbol=BTC-USD&resolution=1m")
    light(page, "Live")
    service.stop()
    light(page, "Lost")
    assert close_of(page) != ""
    for minute in range(4):
        service.push("BTC-USD", "1m", bar_at("BTC-USD", "1m", LAST + minute * 60_000))
    service.start()
    light(page, "Live")
    expect(page.locator("#legend .when")).to_contain_text("Mon 1 Jul 2024 00:03")
    assert {f"Mon 1 Jul 2024 00:0{minute}" for minute in range(4)} <= times_under_the_pointer(page)


def test_without_a_stream_the_page_asks(open_page: Opener, service: Standin) -> None:
    """Where there is no stream the newest bars are asked for."""
    service.streaming = False
    page = open_page("?symbol=BTC-USD&resolution=1m")
    light(page, "Polling")
    service.push("BTC-USD", "1m", bar_at("BTC-USD", "1m", LAST))
    expect(page.locator("#legend .when")).to_contain_text("Mon 1 Jul 2024 00:00")


def test_a_service_that_is_not_ready_is_asked_again(open_page: Opener, service: Standin) -> None:
    """The page says what is wrong in the service's words and recovers by itself."""
    service.down = True
    page = open_page()
    expect(page.locator("#cover")).to_contain_text("The store did not answer the question.")
    light(page, "No data")
    service.down = False
    page.wait_for_selector("#stage[data-phase=ready]")
    expect(page.locator("#cover")).to_be_hidden()


def test_an_answer_that_takes_long_looks_like_it(open_page: Opener, service: Standin) -> None:
    """While bars are on their way the page says of which symbol."""
    page = open_page()
    service.delay = 0.8
    page.keyboard.press("]")
    expect(page.locator("#cover")).to_contain_text("Loading BTC-USD")
    page.wait_for_selector("#stage[data-phase=ready]")


def test_empty_days_look_empty(open_page: Opener) -> None:
    """A weekend of a stock is no error; one click leads to where there are bars."""
    page = open_page("?symbol=AAPL&resolution=5m&from=2024-06-29&to=2024-06-30")
    expect(page.locator("#cover")).to_contain_text("AAPL has no trade from 2024-06-29 to 2024-06-30.")
    light(page, "History")
    page.get_by_role("button", name="Show the latest bars").click()
    page.wait_for_selector("#stage[data-phase=ready]")


def test_an_unknown_symbol_is_named(open_page: Opener) -> None:
    """An address with a symbol that is not there says so, and leads to those that are."""
    page = open_page("?symbol=NOPE")
    expect(page.locator("#cover")).to_contain_text("The dataset has no symbol NOPE.")
    page.get_by_role("button", name="Find a symbol").click()
    page.keyboard.type("btc")
    page.keyboard.press("Enter")
    page.wait_for_selector("#stage[data-phase=ready]")


def test_a_key_is_asked_for_and_kept_for_the_tab(open_page: Opener, service: Standin) -> None:
    """Where reads need a key the page takes one, never into its address."""
    service.key = "a key"
    page = open_page()
    expect(page.locator("#cover")).to_contain_text("A key is needed")
    page.locator("#key").fill("a key")
    page.keyboard.press("Enter")
    page.wait_for_selector("#stage[data-phase=ready]")
    page.reload()
    page.wait_for_selector("#stage[data-phase=ready]")
    expect(page).not_to_have_url(re.compile("key"))


def test_offline_looks_offline(open_page: Opener) -> None:
    """Without a network the light says so, and the bars stay."""
    page = open_page()
    light(page, "Live")
    page.context.set_offline(True)
    light(page, "Offline")
    expect(page.locator("#legend")).to_be_visible()
    page.context.set_offline(False)
    light(page, "Live")
