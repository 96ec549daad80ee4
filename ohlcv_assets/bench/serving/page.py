"""The chart page in Chromium: how long until candles are seen, and what moving by a screen takes.

What belongs here: driving a browser and timing the page. What does not: the service behind it, what the page does.

Playwright is a dependency of development, and a browser is there or not: where one is missing, so are the figures.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from ohlcv_assets.bench.figures import Figure
from ohlcv_assets.bench.serving.client import Connection
from ohlcv_assets.bench.serving.subject import Subject
from ohlcv_assets.logs import get_logger

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page

CASE: Final = "page"
FIRST_TARGET: Final = 800.0
PAN_TARGET: Final = 100.0
BROWSERS: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_FOUND: Final = 200
_MOST_PANS: Final = 20
"""Screens moved back in one page."""

_SIZE: Final = (1_280, 760)
_PATIENCE: Final = 30_000

_DRAWN: Final = """() => new Promise((done) => {
  const look = () => {
    if (document.querySelector('#stage')?.dataset.phase !== 'ready') return requestAnimationFrame(look);
    requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now())));
  };
  look();
})"""
"""Milliseconds from the navigation's beginning to the frame after the one in which the page has bars to draw."""

_PANNED: Final = """() => new Promise((done) => {
  const began = performance.now();
  document.querySelector('#chart').dispatchEvent(
    new KeyboardEvent('keydown', {key: 'ArrowLeft', shiftKey: true, bubbles: true}));
  const look = () => {
    if (!document.querySelector('#edge').hidden) return requestAnimationFrame(look);
    done(performance.now() - began);
  };
  requestAnimationFrame(() => requestAnimationFrame(look));
})"""
"""Milliseconds from the key to the frame after the one in which the screen before is drawn, more bars loaded if any."""


async def page_figures(url: str, connection: Connection, subject: Subject, repeats: int) -> list[Figure]:
    """Time the page; without figures where there is no page, no browser or no Playwright, which the log says."""
    if (await connection.ask("/")).status != _FOUND:
        return _without("the service has no pages: `make web` builds them")
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        return _without(f"no browser is in PATH: one of {', '.join(BROWSERS)}")
    try:
        from playwright.async_api import async_playwright  # noqa: PLC0415 -- not there for everybody
    except ImportError:
        return _without("Playwright is not installed")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        address = f"{url}/?symbol={subject.symbol}&resolution=1m"
        # The first one starts processes of the browser.
        first = [await _opened(browser, address) for _ in range(repeats + 1)][1:]
        pans = await _pans(browser, address, min(_MOST_PANS, 4 * repeats))
        version = browser.version
        await browser.close()
    about = f"Chromium {version}, headless, without a graphics card, 600 one-minute bars"
    return [
        _figure("first candles after navigation, p50", first, FIRST_TARGET, f"{len(first)} times, no cache; {about}"),
        _figure("a pan of one screen, p50", pans, PAN_TARGET, f"{len(pans)} screens back, two frames each; {about}"),
    ]


async def _opened(browser: Browser, address: str) -> float:
    """Open the page with nothing cached; return the milliseconds until candles are seen."""
    context = await browser.new_context(viewport={"width": _SIZE[0], "height": _SIZE[1]})
    try:
        return await _shown(await context.new_page(), address)
    finally:
        await context.close()


async def _shown(page: Page, address: str) -> float:
    page.set_default_timeout(_PATIENCE)
    await page.goto(address, wait_until="commit")
    return float(await page.evaluate(_DRAWN))


async def _pans(browser: Browser, address: str, count: int) -> list[float]:
    """Move back, screen by screen; return what each took in milliseconds."""
    context = await browser.new_context(viewport={"width": _SIZE[0], "height": _SIZE[1]})
    page = await context.new_page()
    await _shown(page, address)
    times = [float(await page.evaluate(_PANNED)) for _ in range(count)]
    await context.close()
    return times


def _without(why: str) -> list[Figure]:
    get_logger("bench").warning("The page was not measured.", why=why)
    return []


def _figure(name: str, times: Sequence[float], target: float, method: str) -> Figure:
    value = float(np.percentile(times, 50))
    return Figure(CASE, name, value, "ms", target, "", None, method, (min(times), max(times)))
