"""What ``make web`` builds: everything a browser needs, nothing from elsewhere."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.unit

SOURCE = Path(__file__).parents[2] / "web"


@pytest.mark.parametrize("page", ["index.html", "operator.html"])
def test_nothing_is_inline_and_nothing_comes_from_elsewhere(pages: Path, page: str) -> None:
    """The page keeps to a policy of its own origin: no script, style or handler within it, every file beside it."""
    html = (pages / page).read_text("utf-8")
    assert re.findall(r"<script(?![^>]*\ssrc=)", html) == []
    assert re.findall(r"<style|\sstyle=|\son[a-z]+=", html) == []
    sources = re.findall(r"<(?:script|link)[^>]*(?:src|href)=\"([^\"]+)\"", html)
    assert len(sources) == 3
    assert all((pages / source).is_file() for source in sources)


def test_built_files_are_named_by_their_content(pages: Path) -> None:
    """What the page loads may be cached for ever, since another content has another name."""
    names = {re.sub(r"-[A-Z0-9]{8}\.", ".", path.name) for path in (pages / "assets").iterdir()}
    assert names == {"favicon.svg", "page-style.css", "page.js", "operator-style.css", "operator.js"}


def test_licences_of_what_is_built_in_are_told(pages: Path) -> None:
    """The chart library's notice and licence are in the build, and the page links to its makers."""
    text = (pages / "licenses.txt").read_text("utf-8")
    assert "TradingView Lightweight Charts\nCopyright" in text
    assert "Apache License" in text
    assert "fancy-canvas" in text
    assert 'href="https://www.tradingview.com/"' in (pages / "index.html").read_text("utf-8")


def test_the_datafeed_is_one_module(pages: Path) -> None:
    """``datafeed.js`` imports nothing and exports the datafeed."""
    text = (pages / "datafeed.js").read_text("utf-8")
    assert re.findall(r"^import\b", text, re.MULTILINE) == []
    assert re.search(r"export \{\s*Datafeed\s*\}", text) is not None


def test_the_wheel_has_the_pages(pages: Path, tmp_path: Path) -> None:
    """Whoever installs the package gets the pages, though git does not keep them."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=SOURCE.parent, check=True, capture_output=True)
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        names = set(wheel.namelist())
    built = {f"ohlcv_assets/web/{file.relative_to(pages).as_posix()}" for file in pages.rglob("*") if file.is_file()}
    assert built
    assert built <= names
    assert not any("node_modules" in name for name in names)


def test_the_lock_names_no_registry() -> None:
    """Packages come from wherever npm is told to get them: the lock has versions and hashes only."""
    lock = json.loads((SOURCE / "package-lock.json").read_text("utf-8"))
    assert [name for name, package in lock["packages"].items() if "resolved" in package] == []
    assert all("integrity" in package for name, package in lock["packages"].items() if name != "")
