"""``datafeed.js`` in a browser, called by a stand-in for the Charting Library."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page

from ohlcv_assets_tests.web.conftest import Opener
from ohlcv_assets_tests.web.standin import FIRST, LAST, Standin, bar_at

pytestmark = pytest.mark.integration

LIBRARY = Path(__file__).with_name("library.js").read_text("utf-8").rstrip().rstrip(";")


def wait_for(page: Page, condition: str) -> None:
    """Wait until something holds; the page's policy forbids the usual way, which compiles a text."""
    for _ in range(200):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(50)
    raise AssertionError(condition)


def test_the_datafeed_is_called_as_the_library_calls_it(
    open_page: Opener, service: Standin, complaints: list[str]
) -> None:
    """Answers come late, in milliseconds and of the right number; only before all history there is no data."""
    page = open_page()
    page.evaluate(f"({LIBRARY})('{service.url}')")
    wait_for(page, "saw.ticks.length > 0")
    saw = page.evaluate("saw")
    assert saw["early"] == 0
    assert saw["errors"] == []
    assert saw["found"] == ["BTC-USD"]
    assert saw["unknown"] == "There is no such symbol."
    minute = 60_000
    assert saw["pages"] == [
        {"count": 329, "first": LAST - 329 * minute, "last": LAST - minute, "noData": False},
        {"count": 300, "first": LAST - 629 * minute, "last": LAST - 330 * minute, "noData": False},
        {"count": 0, "first": None, "last": None, "noData": True},
    ]
    assert saw["ticks"] == [LAST - minute]
    assert FIRST % minute == 0

    service.push("BTC-USD", "1m", bar_at("BTC-USD", "1m", LAST))
    service.push("BTC-USD", "1m", bar_at("BTC-USD", "1m", LAST))
    service.push("BTC-USD", "1m", bar_at("BTC-USD", "1m", LAST + minute))
    wait_for(page, "saw.ticks.length > 3")
    assert page.evaluate("saw.ticks") == [LAST - minute, LAST, LAST, LAST + minute]
    service.push("BTC-USD", "1m", bar_at("BTC-USD", "1m", LAST))
    wait_for(page, "saw.resets === 1")
    page.evaluate("feed.unsubscribeBars('uid'); feed.close()")
    assert complaints == []
