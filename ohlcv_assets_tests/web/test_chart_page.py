"""The chart page in a browser: what it shows, and what its elements and keys do."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from ohlcv_assets_tests.web.conftest import Opener
from ohlcv_assets_tests.web.standin import Standin

pytestmark = pytest.mark.integration

READY = "#stage[data-phase=ready]"


def shown_until(page: Page) -> str:
    """Return the time of the last bar that is visible, as the read-out has it."""
    page.mouse.move(5, 5)
    return page.locator("#legend .when").inner_text().rpartition("· ")[2]


def drawn(page: Page) -> None:
    """Wait until the chart has drawn what it was told."""
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


def test_bars_are_shown_and_the_policy_is_kept(open_page: Opener, complaints: list[str]) -> None:
    """An address without anything shows the first symbol; no script or style of others is wanted."""
    page = open_page("")
    expect(page.locator("#symbol-name")).to_have_text("AAPL")
    expect(page.locator("#legend")).to_contain_text("VWAP")
    expect(page.locator("#zone")).to_have_text("Times: New York")
    expect(page).to_have_url(re.compile(r"\?symbol=AAPL&resolution=5m$"))
    # Fri 28 June 2024 is the last session; nights and weekends have no place on the axis.
    assert shown_until(page) == "Fri 28 Jun 2024 16:55"
    assert complaints == []


def test_the_crosshair_reads_a_bar_out(open_page: Opener) -> None:
    """The bar under the pointer is read out, the last one otherwise."""
    page = open_page()
    last = shown_until(page)
    page.mouse.move(400, 300)
    expect(page.locator("#legend .when")).not_to_contain_text(last)
    assert shown_until(page) == last


def test_a_symbol_is_found_by_keyboard(open_page: Opener) -> None:
    """A slash, some letters and Enter show another symbol; the browser's way back leads back."""
    page = open_page()
    page.keyboard.press("/")
    page.keyboard.type("zzz")
    expect(page.locator("#found-none")).to_be_visible()
    page.locator("#search").fill("usd")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.locator("#legend")).to_contain_text("ETH-USD")
    expect(page).to_have_url(re.compile("symbol=ETH-USD"))
    page.go_back()
    expect(page.locator("#legend")).to_contain_text("BTC-USD")


def test_presets_and_resolutions(open_page: Opener) -> None:
    """A preset comes with a resolution that suits it; a length of bars can be chosen for it."""
    page = open_page()
    page.get_by_role("button", name="6M", exact=True).click()
    expect(page).to_have_url(re.compile("resolution=4h&range=6M"))
    expect(page.locator("#legend .when")).to_contain_text("4h")
    page.keyboard.press("]")
    expect(page.locator("#legend .when")).to_contain_text("1d")
    expect(page.get_by_role("button", name="6M", exact=True)).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("1")
    expect(page.locator("#legend .when")).to_contain_text("1m")


def test_days_are_picked_and_a_wide_range_says_what_it_got(open_page: Opener) -> None:
    """Days in the wrong order get a sentence; a wide range gets coarser bars, with the reason."""
    page = open_page("?symbol=BTC-USD&resolution=1m")
    page.keyboard.press("d")
    page.locator("#dates-from").fill("2024-03-20")
    page.locator("#dates-to").fill("2024-02-01")
    page.get_by_role("button", name="Show", exact=True).click()
    expect(page.locator("#dates-problem")).to_have_text("The last day is before the first.")
    page.locator("#dates-from").fill("2024-02-01")
    page.locator("#dates-to").fill("2024-03-20")
    page.get_by_role("button", name="Show", exact=True).click()
    expect(page.locator("#effective")).to_have_text("15m instead of 1m: the range is longer than 30 days")
    page.wait_for_selector(READY)
    page.mouse.move(5, 5)
    expect(page.locator("#legend .when")).to_contain_text("Wed 20 Mar 2024 23:45")
    expect(page).to_have_url(re.compile("from=2024-02-01&to=2024-03-20"))
    page.get_by_role("button", name="Latest").click()
    expect(page.locator("#legend .when")).to_contain_text("30 Jun 2024")


def test_scrolling_back_over_a_month_does_not_end(open_page: Opener, service: Standin) -> None:
    """Older bars are there before they are seen, and loading them moves nothing."""
    page = open_page("?symbol=BTC-USD&resolution=1h")
    page.locator("#chart").focus()
    for _ in range(8):
        page.keyboard.press("Shift+ArrowLeft")
        drawn(page)
    page.wait_for_selector("#edge", state="hidden")
    drawn(page)
    screen = shown_until(page)
    assert " May 2024" in screen or " Apr 2024" in screen
    assert len([address for address in service.asked if "end=" in address]) > 0
    page.wait_for_timeout(200)
    assert shown_until(page) == screen
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("End")
    expect(page.locator("#legend .when")).to_contain_text("Sun 30 Jun 2024 23:00")


def test_history_has_a_beginning(open_page: Opener) -> None:
    """At the first bar of all nothing more is asked for, and the read-out is of bars that exist."""
    page = open_page("?symbol=BTC-USD&resolution=1d&from=2024-01-02&to=2024-01-20")
    expect(page.locator("#edge")).to_be_hidden()
    page.keyboard.press("Home")
    page.mouse.move(12, 300)
    expect(page.locator("#legend .when")).to_contain_text("Mon 1 Jan 2024")


def test_light_and_dark(open_page: Opener) -> None:
    """The system's choice holds until somebody makes another, which is kept."""
    page = open_page(dark=True)
    root = page.locator("html")
    expect(root).to_have_attribute("data-theme", "dark")
    page.keyboard.press("t")
    page.reload()
    expect(root).to_have_attribute("data-theme", "light")


def test_a_phone_has_room_for_everything(open_page: Opener) -> None:
    """Nothing overflows on a small screen and the chart has most of it."""
    page = open_page(size=(360, 700))
    wide = page.evaluate("document.documentElement.scrollWidth")
    box = page.locator("#chart").bounding_box()
    assert wide <= 360
    assert box is not None
    assert box["height"] > 420
    legend, scale = (
        page.locator("#legend").bounding_box(),
        page.evaluate("parseFloat(stage.style.getPropertyValue('--scale'))"),
    )
    assert legend is not None
    assert legend["x"] + legend["width"] <= 360 - scale
    page.locator("#symbol").click()
    expect(page.locator("#found li")).to_have_count(4)


SHIFTS = """new Promise((done) => {
  let sum = 0;
  const add = (list) => { for (const one of list.getEntries()) sum += one.value; };
  new PerformanceObserver(add).observe({ type: "layout-shift", buffered: true });
  setTimeout(() => done(sum), 100);
})"""


@pytest.mark.parametrize("size", [(1280, 760), (390, 844)])
def test_nothing_moves_while_the_page_loads(open_page: Opener, size: tuple[int, int]) -> None:
    """The sum of layout shifts is far below 0.1, which counts as good."""
    assert open_page(size=size).evaluate(SHIFTS) < 0.05


def test_every_control_has_a_name(open_page: Opener) -> None:
    """Screen readers have something to say of each button, field and region."""
    page = open_page()
    for key in ("", "/", "d", "?"):
        if key:
            page.keyboard.press("Escape")
            page.keyboard.press(key)
        names_are_there(page)


_CONTROLS = "button|textbox|spinbutton|combobox|checkbox|link|application|dialog|progressbar"


def names_are_there(page: Page) -> None:
    """Hold what screen readers find on a page: none of what can be used is without a name."""
    tree = page.locator("body").aria_snapshot()
    nameless = re.findall(rf"- (?:{_CONTROLS})\s*(?:\[|:|$).*", tree, re.MULTILINE)
    assert nameless == []
