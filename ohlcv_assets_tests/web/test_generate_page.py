"""Ordering trades on the operator's page, against the service itself: limits, progress, cancelling, the report."""

from __future__ import annotations

import datetime as dt
import threading
from typing import Any

import pyarrow as pa
import pytest
from playwright.sync_api import Page, expect

from ohlcv_assets.api import generating
from ohlcv_assets.units import day_bounds
from ohlcv_assets_tests.api.made import new_key
from ohlcv_assets_tests.web.conftest import Opener, OpenerOf
from ohlcv_assets_tests.web.served import LAST, LAST_MADE, Served
from ohlcv_assets_tests.web.test_chart_page import READY
from ohlcv_assets_tests.web.test_operator_page import give_key, service_of

pytestmark = pytest.mark.integration
PHONE = (390, 844)
OPEN = LAST_MADE + dt.timedelta(days=1)


@pytest.fixture(name="ordering")
def _ordering(open_on: OpenerOf, served: Served) -> Opener:
    """Return what opens the dialog with a key that may write."""
    opened = open_on(lambda: served.url)

    def open_(**more: Any) -> Page:  # Any: what the opener takes
        page = opened("operator", **more)
        page.locator("#generate").click()
        give_key(page, new_key(service_of(served), "write"))
        expect(page.locator("#generate-dialog")).to_be_visible()
        return page

    return open_


def order(page: Page, **fields: str) -> None:
    """Fill fields in and order."""
    for name, value in fields.items():
        page.locator(f"#generate-{name}").fill(value)
    page.locator("#generate-start").click()


def stored(served: Served) -> pa.Table:
    """Return the trades of the open days."""
    start, end = day_bounds(OPEN)[0], day_bounds(LAST)[1]
    return pa.Table.from_batches(list(service_of(served).project.trade_store.scan(start, end)))


def test_trades_are_ordered_and_seen(ordering: Opener, served: Served, complaints: list[str]) -> None:
    """A key of the role write is enough; the open days are proposed; the report leads to a chart of what was made."""
    page = ordering()
    assert (page.locator("#generate-first").input_value(), page.locator("#generate-last").input_value()) == (
        str(OPEN),
        str(LAST),
    )
    expect(page.locator("#generate-most")).to_have_text("At most 1,000,000 at a time.")
    page.locator("#generate-symbols label", has_text="BTC-USD").click()
    expect(page.locator("#generate-chosen")).to_have_text("1")
    page.locator("summary").click()
    page.locator("#generate-price_model").select_option("gbm")
    order(page, count="25000", seed="7")
    expect(page.locator("#generate-dialog")).to_be_hidden()
    job = page.locator("#jobs .job")
    expect(job).to_contain_text("25,000 trades stored of 25,000 ordered")
    expect(job).to_contain_text("succeeded")
    expect(job).to_contain_text(f"{OPEN} to {LAST} · BTC-USD · seed 7")
    expect(job).to_contain_text(f"{LAST}: ")
    (made,) = service_of(served).jobs.all()
    assert (made.about["price_model"], made.about["sizes"], made.about["symbols"]) == (
        "gbm",
        "pareto-lognormal",
        ("BTC-USD",),
    )
    trades = stored(served)
    assert (trades.num_rows, set(trades["symbol"].to_pylist())) == (25_000, {"BTC-USD"})
    job.get_by_role("link", name="See it in the chart").click()
    page.wait_for_selector(READY)
    expect(page.locator("#legend .when")).to_contain_text("Sun 31 Mar 2024 23:5")
    assert complaints == []


def test_batches_are_seen_as_they_are_written(
    ordering: Opener, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bar moves with each batch; cancelling keeps what was written, and a second order has to wait meanwhile."""
    waiting = threading.Event()
    offered = generating._offered
    batches = iter(range(100))

    def slowly(*given: Any) -> Any:  # Any: handed on
        if next(batches) == 2:
            waiting.wait(120)
        return offered(*given)

    monkeypatch.setattr(generating, "_offered", slowly)
    page = ordering()
    order(page, count="45000", last=str(OPEN))
    running = page.locator("#running .job")
    expect(running).to_contain_text("20,000 of 45,000 trades · in 2 batches · ")
    assert 0.43 < float(running.locator("progress").get_attribute("value") or 0) < 0.45
    expect(page.locator("#generate")).to_be_disabled()
    running.get_by_role("button", name="Cancel").click()
    expect(running).to_contain_text("cancelling")
    waiting.set()
    job = page.locator("#jobs .job")
    expect(job).to_contain_text("cancelled")
    kept = stored(served).num_rows
    assert 20_000 <= kept < 45_000
    expect(job).to_contain_text(f"{kept:,} trades stored")
    expect(job).to_contain_text("stored of 45,000 ordered")
    expect(page.locator("#generate")).to_be_enabled()


def test_orders_that_cannot_be_are_refused(ordering: Opener, served: Served) -> None:
    """In one sentence each, before anything is sent where the page can know it, in the service's words where not."""
    page = ordering()
    problem = page.locator("#generate-problem")
    order(page, count="1000001")
    expect(problem).to_have_text("Trades are a whole number from 1 to 1,000,000.")
    order(page, count="10", first="2024-04-01")
    expect(problem).to_have_text("The dataset's days run from 2024-02-01 to 2024-03-31.")
    order(page, first=str(LAST_MADE), last=str(LAST))
    expect(problem).to_have_text(f"{LAST_MADE} is closed, its trades being proved or loaded; order other days.")
    page.locator("summary").click()
    order(page, first=str(OPEN), seed="-1")
    expect(problem).to_contain_text("A seed is a whole number from 0 to ")
    page.locator("#generate-symbols label", has_text="AAPL").click()
    order(page, seed="")
    expect(problem).to_contain_text("trade")
    assert service_of(served).jobs.all() == []
    page.keyboard.press("Escape")
    expect(page.locator("#generate-dialog")).to_be_hidden()


def test_a_key_that_only_reads_orders_nothing(open_on: OpenerOf, served: Served) -> None:
    """It is told so, and the dialog stays shut."""
    page = open_on(lambda: served.url)("operator")
    page.locator("#generate").click()
    give_key(page, new_key(service_of(served), "read"))
    expect(page.locator("#key-problem")).to_have_text("The key has the role read, which may not do this.")
    expect(page.locator("#generate-dialog")).to_be_hidden()


def test_the_form_fits_on_a_phone(ordering: Opener) -> None:
    """Nothing is wider than the screen, and the button is on it."""
    page = ordering(size=PHONE)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
    box = page.locator("#generate-start").bounding_box()
    assert box is not None
    assert box["y"] + box["height"] < PHONE[1]
