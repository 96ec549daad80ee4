"""The page, timed: by a browser that is scripted, and in Chromium where there is one."""

from __future__ import annotations

import asyncio
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, Self

import pytest

from ohlcv_assets.bench.figures import Figure
from ohlcv_assets.bench.serving import page
from ohlcv_assets.bench.serving.client import connected
from ohlcv_assets.bench.serving.page import page_figures
from ohlcv_assets.bench.serving.run import Plan, measure_api
from ohlcv_assets.bench.serving.subject import DAY, Subject
from ohlcv_assets.settings import PREFIX
from ohlcv_assets_tests.bench.serving.test_client import answering, reply
from ohlcv_assets_tests.commands import TINY

pytestmark = pytest.mark.unit


class Scripted:
    """Playwright, a browser, a context and a page in one, whose times are given."""

    version = "1.2"

    def __init__(self, times: Iterator[float]) -> None:
        self._times = times
        self.opened: list[str] = []
        self.chromium = self

    async def __aenter__(self) -> Self:
        """Start."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop."""

    async def launch(self, **given: Any) -> Self:  # Any: Playwright's
        """Start a browser."""
        assert given["executable_path"] == "/bin/chromium"
        return self

    async def new_context(self, **_: object) -> Self:
        """Open a window."""
        return self

    async def new_page(self) -> Self:
        """Open a page."""
        return self

    async def goto(self, address: str, **_: object) -> None:
        """Go there."""
        self.opened.append(address)

    async def evaluate(self, _: str) -> float:
        """Return the next time."""
        return next(self._times)

    async def close(self) -> None:
        """Close."""

    def set_default_timeout(self, _: float) -> None:
        """Wait so long."""


def measured(status: str = "200 OK") -> list[Figure]:
    """Measure the page of a service that answers so."""

    async def main() -> list[Figure]:
        async with answering(lambda _: reply(b"", status)) as url, connected(url) as (one,):
            return await page_figures(url, one, Subject("BTC-USD", 0, DAY), 3)

    return asyncio.run(main())


@pytest.fixture(name="scripted")
def _scripted(monkeypatch: pytest.MonkeyPatch) -> Scripted:
    """Put a scripted Playwright and a browser in place."""
    made = Scripted(iter([900.0, 300.0, 500.0, 400.0, 1.0, *(float(time) for time in range(30, 42))]))
    module = ModuleType("playwright.async_api")
    module.async_playwright = lambda: made  # type: ignore[attr-defined]  # a stand-in
    monkeypatch.setitem(sys.modules, "playwright.async_api", module)
    monkeypatch.setattr(shutil, "which", lambda name: "/bin/chromium" if name == "chromium" else None)
    return made


def test_opening_and_moving_are_timed(scripted: Scripted) -> None:
    """The first opening warms the browser up; medians, with the least and the largest."""
    first, pan = measured()
    assert (first.value, first.spread, first.target) == (400.0, (300.0, 500.0), 800)
    assert (pan.value, pan.spread, pan.target) == (35.5, (30.0, 41.0), 100)
    assert "Chromium 1.2" in first.method
    assert scripted.opened[0].endswith("/?symbol=BTC-USD&resolution=1m")


def test_without_pages_there_are_no_figures(scripted: Scripted) -> None:
    """The log says so."""
    assert measured("404 Not Found") == []
    assert scripted.opened == []


@pytest.mark.parametrize("lacking", ["browser", "playwright"])
def test_without_a_browser_there_are_no_figures(
    scripted: Scripted, monkeypatch: pytest.MonkeyPatch, lacking: str
) -> None:
    """Nor without what drives it."""
    if lacking == "browser":
        monkeypatch.setattr(shutil, "which", lambda _: None)
    else:
        monkeypatch.setitem(sys.modules, "playwright.async_api", None)
    assert measured() == []
    assert scripted.opened == []


PAGES = Path(page.__file__).parents[2] / "web" / "index.html"


@pytest.mark.skipif(
    shutil.which("chromium") is None or not PAGES.is_file(), reason="NO BROWSER IN PATH, OR THE PAGES ARE NOT BUILT"
)
def test_the_page_itself(made: Path, tmp_path: Path) -> None:
    """In Chromium, on the service: candles are seen, and the screen before them."""
    overrides = {name.removeprefix(PREFIX).lower(): value for name, value in TINY.items()}
    plan = Plan(repeats=1, stages=["page"])
    first, pan = measure_api({**overrides, "data_dir": made, "store": "duckdb"}, tmp_path, plan)
    assert first.value > 0
    assert pan.value > 0
