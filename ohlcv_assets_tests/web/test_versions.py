"""Pages that are of another version than the service: nobody is left before an empty page."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from ohlcv_assets.api import built
from ohlcv_assets_tests.web.conftest import Opener, OpenerOf
from ohlcv_assets_tests.web.served import Served
from ohlcv_assets_tests.web.test_chart_page import READY

pytestmark = pytest.mark.integration

NEWER = "newer()"
"""A script of a later version: it draws nothing here."""


@pytest.fixture
def folder(pages: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the pages' folder, of which this test may do what it likes."""
    copied = tmp_path / "pages"
    shutil.copytree(pages, copied)
    monkeypatch.setattr(built, "FOLDER", copied)
    return copied


@pytest.fixture
def open_served(folder: Path, open_on: OpenerOf, served: Served) -> Opener:
    """Return what opens a page of a service that began with these pages."""
    assert folder.is_dir()
    served.stop()
    served.start()
    return open_on(lambda: served.url)


def replace_scripts(folder: Path) -> None:
    """Build the pages anew: each asks for a script of another name, and the one before is gone."""
    for page, kind in (("index.html", "page"), ("operator.html", "operator")):
        text = (folder / page).read_text("utf-8")
        (name,) = re.findall(rf"assets/({kind}-[A-Z0-9]+\.js)", text)
        (folder / "assets" / name).unlink()
        (folder / "assets" / f"{kind}-NEWER123.js").write_text(NEWER)
        (folder / page).write_text(text.replace(name, f"{kind}-NEWER123.js"))


def test_a_newer_page_waits_for_the_service(open_served: Opener, folder: Path) -> None:
    """Pages are replaced while the service runs: it shows its own, whole, until it is started anew."""
    page = open_served("?symbol=BTC-USD")
    replace_scripts(folder)
    for again in (page, open_served("?symbol=BTC-USD")):
        again.reload()
        expect(again.locator(READY)).to_be_visible()
    operator = open_served("operator")
    expect(operator.locator("#board[data-phase=ready]")).to_be_visible()


def outdated(page: Page, times: int) -> None:
    """Give a browser the page of an earlier run so many times: its script is called otherwise."""
    left = [times]

    def answer(route: Route) -> None:
        reply = route.fetch()
        text = reply.text()
        if left[0] > 0:
            left[0] -= 1
            text = re.sub(r"assets/page-[A-Z0-9]+\.js", "assets/page-OLDER123.js", text)
        route.fulfill(response=reply, body=text)

    page.route(re.compile(r"/(\?.*)?$"), answer)


def test_a_page_of_an_earlier_run_loads_anew(open_served: Opener, browser: Browser, served: Served) -> None:
    """Its script is gone with the service that had it; where that does not help, the page says so and stays."""
    open_served("?symbol=BTC-USD")
    for times in (1, 100):
        context = browser.new_context()
        page = context.new_page()
        outdated(page, times)
        page.goto(served.url + "?symbol=BTC-USD")
        if times == 1:
            expect(page.locator(READY)).to_be_visible()
        else:
            expect(page.locator("#cover-title")).to_contain_text("another version than the service")
            expect(page.locator("#cover-detail")).to_contain_text("load the page again")
        context.close()
