"""The operator's page in a browser, against the service itself: what it shows, and what its buttons do."""

from __future__ import annotations

import datetime as dt
import re
import threading
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from ohlcv_assets.api import work
from ohlcv_assets.api.jobs import Ending, Run
from ohlcv_assets.api.service import Service
from ohlcv_assets.bars.resolutions import RESOLUTIONS
from ohlcv_assets.errors import StoreBusyError
from ohlcv_assets.pipeline.verify import verify_day
from ohlcv_assets.project import Project
from ohlcv_assets_tests.api.made import new_key
from ohlcv_assets_tests.pipeline.made import change_bars
from ohlcv_assets_tests.web.conftest import Opener, OpenerOf
from ohlcv_assets_tests.web.served import LAST_MADE, Served
from ohlcv_assets_tests.web.test_chart_page import names_are_there

pytestmark = pytest.mark.integration
PHONE = (390, 844)
GONE = (dt.date(2024, 3, 5), dt.date(2024, 3, 6))
CHANGED = dt.date(2024, 3, 12)


@pytest.fixture(name="open_operator")
def _open_operator(open_on: OpenerOf, served: Served) -> Opener:
    """Return what opens the operator's page of the service."""
    opened = open_on(lambda: served.url)

    def open_(**more: Any) -> Page:  # Any: what the opener takes
        return opened("operator", **more)

    return open_


def service_of(served: Served) -> Service:
    """Return the service that runs."""
    assert served.service is not None
    return served.service


def without_bars(served: Served) -> Project:
    """Take the bars of two days away, as if a load had been interrupted, and return the project."""
    project = service_of(served).project
    for day in GONE:
        project.bar_store.delete_day(RESOLUTIONS["5m"], day)
    return project


def row(page: Page, resolution: str) -> Any:  # Any: a locator
    """Return the row of a resolution."""
    return page.locator(f"tbody[data-resolution='{resolution}']")


def give_key(page: Page, key: str) -> None:
    """Type a key into the dialog that asks for one."""
    page.locator("#key").fill(key)
    page.keyboard.press("Enter")


def test_what_stands_where(open_operator: Opener, served: Served, complaints: list[str]) -> None:
    """Watermarks, lag, gaps, state by resolution and day, what was found of the data; the policy is kept."""
    without_bars(served)
    page = open_operator()
    expect(page.locator("#light")).to_have_text("Up to date")
    expect(page.locator("#tiles")).to_contain_text("2024-03-05 00:00")
    expect(page.locator("#tiles")).to_contain_text("5m is the furthest behind")
    expect(page.locator("#tiles")).to_contain_text("58 of 60")
    expect(page.locator("#call")).to_contain_text("Bars of 2 days are missing or stale.")
    expect(row(page, "5m")).to_contain_text("2 days missing")
    expect(row(page, "1h")).to_contain_text("2 days waiting")
    strip = page.locator("tbody[data-resolution='5m'] rect[data-standing=missing] title")
    assert strip.text_content() == "2024-03-05 to 2024-03-06: missing, bars are gone"
    row(page, "5m").locator(".opener").click()
    expect(row(page, "5m").locator(".more")).to_contain_text("2024-03-05 to 2024-03-06 missing: bars are gone")
    expect(row(page, "5m").locator(".more")).to_contain_text("2024-03-29 done")
    expect(page.locator("#checks")).to_contain_text("no bars of 5m")
    expect(page.locator("#tasks-text")).to_contain_text("This store has no tasks.")
    assert complaints == []


def test_missing_bars_are_healed(open_operator: Opener, served: Served, complaints: list[str]) -> None:
    """One button, a key, and the bars are right; what the page says follows by itself."""
    project = without_bars(served)
    key = new_key(service_of(served), "admin")
    page = open_operator(dark=True)
    page.locator("#call-heal").click()
    expect(page.locator("#key-dialog")).to_be_visible()
    give_key(page, key)
    expect(page.locator("#key-role")).to_have_text("Key: admin")
    expect(page.locator("#action-heading")).to_have_text("Heal bars")
    page.locator("#action-start").click()
    job = page.locator("#jobs .job")
    expect(job).to_contain_text("2 days")
    expect(job).to_contain_text("succeeded")
    expect(page.locator("#call")).to_be_hidden()
    expect(row(page, "5m")).to_contain_text("2 days waiting")
    expect(page.locator("#tiles")).to_contain_text("at every resolution")
    for day in GONE:
        assert all(proof.verdict.passed for proof in verify_day(project, day))
    assert complaints == []


def test_changed_bars_are_found_and_made_again(open_operator: Opener, served: Served) -> None:
    """Checking a day names what is wrong with it; running the resolution of that day puts it right."""
    project = service_of(served).project
    change_bars(project, RESOLUTIONS["1h"], CHANGED, "high", 0, 2)
    key = new_key(service_of(served), "admin")
    page = open_operator()
    for button, start, outcome in (("#verify", "Check", "failed"), ("run", "Run", "succeeded")):
        (page.locator(button) if button == "#verify" else row(page, "1h").get_by_role("button", name="Run…")).click()
        if start == "Check":
            give_key(page, key)
        page.locator("#action-first").fill(str(CHANGED))
        page.locator("#action-last").fill(str(CHANGED))
        page.locator("#action-start").click()
        expect(page.locator("#jobs .job").first).to_contain_text(outcome)
        if start == "Check":
            expect(page.locator("#jobs .job").first).to_contain_text("ohlcv_1h")
    expect(page.locator("#jobs .job").first).to_contain_text("Make bars again of 1h")
    assert all(proof.verdict.passed for proof in verify_day(project, CHANGED))


def test_keys_that_do_not_do(open_operator: Opener, served: Served) -> None:
    """None, a wrong one and one that only reads are told apart, and start nothing; a tab keeps the one that does."""
    without_bars(served)
    service = service_of(served)
    read, admin = new_key(service, "read"), new_key(service, "admin")
    page = open_operator()
    page.locator("#heal").click()
    page.keyboard.press("Enter")
    expect(page.locator("#key-problem")).to_contain_text("Enter the key")
    give_key(page, "wrong")
    expect(page.locator("#key-problem")).to_have_text("There is no such key, or it was revoked.")
    give_key(page, read)
    expect(page.locator("#key-problem")).to_have_text("The key has the role read, which may not do this.")
    page.locator("#key-cancel").click()
    expect(page.locator("#action-dialog")).to_be_hidden()
    assert service.jobs.all() == []
    page.locator("#key-open").click()
    give_key(page, admin)
    expect(page.locator("#key-role")).to_have_text("Key: admin")
    page.reload()
    expect(page.locator("#key-role")).to_have_text("Key: admin")
    assert page.evaluate("[localStorage.length, document.cookie]") == [0, ""]
    page.locator("#key-open").click()
    page.locator("#key-forget").click()
    expect(page.locator("#key-role")).to_have_text("No key")


def test_days_that_cannot_be_are_refused(open_operator: Opener, served: Served) -> None:
    """Before anything is sent; what the service refuses is told in its words."""
    service = service_of(served)
    key = new_key(service, "admin")
    page = open_operator()
    page.locator("#heal").click()
    give_key(page, key)
    page.locator("#action-last").fill("2024-01-01")
    page.locator("#action-start").click()
    expect(page.locator("#action-problem")).to_contain_text("The dataset's days run from 2024-02-01 to 2024-03-31.")
    page.locator("#action-last").fill("2024-02-02")
    page.locator("#action-first").fill("2024-02-03")
    page.locator("#action-start").click()
    expect(page.locator("#action-problem")).to_have_text("The last day comes before the first.")
    page.locator("#action-first").fill("")
    page.locator("#action-start").click()
    expect(page.locator("#action-problem")).to_have_text("Both days are needed.")
    page.locator("#action-first").fill("2024-02-01")
    release = threading.Event()
    busy = service.jobs.start("heal", {}, "somebody", lambda _: _waited(release))
    page.locator("#action-start").click()
    expect(page.locator("#action-problem")).to_contain_text(busy.id)
    release.set()


def test_a_job_shows_how_far_it_is_and_is_cancelled(
    open_operator: Opener, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its bar stands above all else while it runs; a button ends it."""
    service = service_of(served)
    heal = work.healing

    def slowly(*given: Any) -> Any:  # Any: handed on
        made = heal(*given)

        def do(run: Run) -> Ending:
            run.sleep(600)
            return made(run)

        return do

    monkeypatch.setattr(work, "healing", slowly)
    without_bars(served)
    key = new_key(service, "admin")
    page = open_operator()
    page.locator("#heal").click()
    give_key(page, key)
    page.locator("#action-start").click()
    running = page.locator("#running .job")
    expect(running.locator("progress")).to_be_visible()
    expect(page.locator("#heal")).to_be_disabled()
    expect(page.locator("#call")).to_contain_text("They are being healed.")
    running.get_by_role("button", name="Cancel").click()
    expect(page.locator("#jobs .job")).to_contain_text("cancelled")
    expect(running).to_have_count(0)
    expect(row(page, "5m")).to_contain_text("2 days missing")


def test_a_service_that_is_gone_and_comes_back(open_operator: Opener, served: Served) -> None:
    """What was seen last stays, and is said to be old; when the service is back the page goes on."""
    page = open_operator()
    served.stop()
    expect(page.locator("#light")).to_have_text("Lost")
    expect(page.locator("#outdated")).to_contain_text("may have changed")
    expect(page.locator("#tiles")).to_be_visible()
    served.start()
    expect(page.locator("#light")).to_have_text("Up to date")
    expect(page.locator("#outdated")).to_be_hidden()
    page.context.set_offline(True)
    expect(page.locator("#light")).to_have_text("Offline")
    expect(page.locator("#outdated")).to_contain_text("This device has no network.")
    page.context.set_offline(False)
    expect(page.locator("#light")).to_have_text("Up to date")


def test_a_store_that_does_not_answer(open_operator: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is nothing to show but that, in the service's words, until it answers."""

    def busy(_: Service) -> None:
        raise StoreBusyError("somebody else holds it")

    monkeypatch.setattr("ohlcv_assets.api.desk.Desk._is_old", lambda *_: True)
    with monkeypatch.context() as broken:
        broken.setattr("ohlcv_assets.api.native.status.bar_status", busy)
        page = open_operator()
        expect(page.locator("#cover")).to_contain_text("The store did not answer the question")
        expect(page.locator("#light")).to_have_text("No data")
        expect(page.locator("#tiles")).to_be_hidden()
    page.locator("#cover-action").click()
    expect(page.locator("#tiles")).to_be_visible()


def test_from_the_chart_and_back(open_on: OpenerOf, served: Served) -> None:
    """A link on either page leads to the other; light and dark are chosen once for both."""
    page = open_on(lambda: served.url)()
    page.locator("a[href='/operator']").click()
    expect(page).to_have_url(re.compile("/operator$"))
    page.locator("#theme").click()
    chosen = page.evaluate("document.documentElement.dataset.theme")
    page.get_by_title("The chart").click()
    page.wait_for_selector("#stage")
    assert page.evaluate("document.documentElement.dataset.theme") == chosen == "dark"


def test_it_fits_on_a_phone(open_operator: Opener, served: Served) -> None:
    """Nothing is wider than the screen, and every button can be hit."""
    without_bars(served)
    page = open_operator(size=PHONE)
    row(page, "5m").locator(".opener").click()
    expect(row(page, "5m").locator(".more")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
    for name in ("Heal", "Run…"):
        box = page.get_by_role("button", name=name, exact=True).first.bounding_box()
        assert box is not None
        assert box["height"] >= 34
    assert LAST_MADE.isoformat() in page.locator("tbody[data-resolution='5m'] .more").inner_text()


def test_every_control_has_a_name(open_operator: Opener, served: Served) -> None:
    """Screen readers have something to say of each button, field and bar, in dialogs and of a job as well."""
    release = threading.Event()
    service_of(served).jobs.start("heal", {}, "somebody", lambda _: _waited(release))
    page = open_operator()
    expect(page.locator("#running progress")).to_be_visible()
    names_are_there(page)
    page.locator("#verify").click()
    give_key(page, new_key(service_of(served), "admin"))
    expect(page.locator("#action-dialog")).to_be_visible()
    names_are_there(page)
    page.locator("#action-cancel").click()
    page.locator("#generate").click()
    page.locator("summary").click()
    names_are_there(page)
    release.set()


def _waited(release: threading.Event) -> Ending:
    release.wait(120)
    return Ending("succeeded", {})
