"""A browser of this machine and a stand-in for the service, for tests of pages.

The browser is looked for in PATH and the pages where ``make web`` builds them; where one of them is missing the tests
are skipped, and say so.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Final, Literal

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect, sync_playwright

from ohlcv_assets_tests.web.served import Served, make_days
from ohlcv_assets_tests.web.standin import Standin, running

PAGES: Final = Path(__file__).parents[2] / "ohlcv_assets" / "web"
_NAMES: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_DESKTOP: Final = (1280, 760)
_ASKS_OFTEN: Final = """(() => {
  const wait = window.setTimeout;
  window.setTimeout = (what, milliseconds, ...more) => wait(what, milliseconds === 5000 ? 500 : milliseconds, ...more);
})();"""
"""Pages ask the service every five seconds: too seldom for whoever waits for what they show next."""

Opener = Callable[..., Page]
OpenerOf = Callable[[Callable[[], str]], Opener]


@pytest.fixture(scope="session")
def pages() -> Path:
    """Return the folder of the built pages."""
    if not (PAGES / "index.html").is_file():
        pytest.skip("THE PAGES ARE NOT BUILT: `make web` builds them into ohlcv_assets/web.")
    return PAGES


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Start the browser of this machine."""
    found = next(filter(None, map(shutil.which, _NAMES)), None)
    if found is None:
        pytest.skip(f"NO BROWSER IN PATH: pages are not tested; install one of {', '.join(_NAMES)}.")
    # A page is waited for however busy the machine is; what never comes fails all the same.
    expect.set_options(timeout=60_000)
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-gpu"])
        yield started
        started.close()


@pytest.fixture
def service(pages: Path) -> Iterator[Standin]:
    """Run a stand-in for the service."""
    yield from running(pages)


@pytest.fixture(scope="session")
def made_days(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the days, which nobody may change."""
    folder = tmp_path_factory.mktemp("served")
    make_days(folder)
    return folder


@pytest.fixture
def served(pages: Path, made_days: Path, tmp_path: Path) -> Iterator[Served]:
    """Run the service on days of its own."""
    assert pages.is_dir()
    folder = tmp_path / "data"
    shutil.copytree(made_days, folder)
    service = Served(folder)
    service.start()
    yield service
    service.stop()


@pytest.fixture
def complaints() -> list[str]:
    """Return what pages complained of: errors of scripts, breaches of their policy."""
    return []


@pytest.fixture
def open_page(open_on: OpenerOf, service: Standin) -> Opener:
    """Return what opens the chart page of the stand-in and waits until it has something to show."""
    return open_on(lambda: service.url)


@pytest.fixture
def open_on(browser: Browser, complaints: list[str]) -> Iterator[OpenerOf]:
    """Return what opens a page at an address and waits until it has something to show."""
    contexts: list[BrowserContext] = []

    def told(message: ConsoleMessage) -> None:
        # That a reply has an error's status is what some tests are about.
        if (
            message.type == "error"
            and "Failed to load resource" not in message.text
            and "WebSocket" not in message.text
        ):
            complaints.append(message.text)

    def opened(
        address: Callable[[], str],
        query: str = "?symbol=BTC-USD",
        *,
        size: tuple[int, int] = _DESKTOP,
        dark: bool = False,
    ) -> Page:
        scheme: Literal["dark", "light"] = "dark" if dark else "light"
        context = browser.new_context(viewport={"width": size[0], "height": size[1]}, color_scheme=scheme)
        context.set_default_timeout(60_000)
        contexts.append(context)
        context.add_init_script(_ASKS_OFTEN)
        page = context.new_page()
        page.on("console", told)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(address() + query)
        page.wait_for_selector(":is(#stage, #board):not([data-phase=loading])")
        return page

    yield lambda address: partial(opened, address)
    for context in contexts:
        context.close()
