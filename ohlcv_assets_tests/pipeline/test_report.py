"""The report says what is there in figures that add up, as Markdown and as one page that needs nothing else."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from ohlcv_assets.errors import MachineError
from ohlcv_assets.lake.dataset import dataset_folder
from ohlcv_assets.lake.importing import import_files
from ohlcv_assets.pipeline import report as module
from ohlcv_assets.pipeline.page import Section, page
from ohlcv_assets.pipeline.report import DatasetReport, write_report
from ohlcv_assets.project import Project
from ohlcv_assets_tests.pipeline.made import FRIDAY, THURSDAY, TRADES, make, planned, project_in

pytestmark = pytest.mark.integration


class _Links(HTMLParser):
    """Everything that a browser would follow or fetch, and whether every tag is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note links, and tags that must be closed."""
        names = {"href", "src", "xlink:href", "data", "action", "poster", "srcset"}
        self.links += [value or "" for name, value in attrs if name in names]
        if tag not in {"meta", "br"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """Close the tag that is open."""
        assert self.open.pop() == tag


def self_contained(html: str) -> None:
    """Fail for a page that fetches anything or is not well formed."""
    parser = _Links()
    parser.feed(html)
    assert parser.open == []
    assert all(link.startswith("#") for link in parser.links)
    assert not re.search(r"url\((?!#)|@import|<script|<link|<iframe", html)


def figures(made: DatasetReport) -> dict[str, str]:
    """Return the totals as the Markdown text has them."""
    section = made.summary.split("## Totals")[1].split("## ")[0]
    return dict(re.findall(r"^\| (\w[^|]*?) \| ([^|]*?) \|$", section.split("| --- |")[-1], re.MULTILINE))


def test_a_report_on_an_incomplete_dataset_adds_up(embedded: Project) -> None:
    """Totals, months and the list of incomplete days agree with what was made."""
    make(embedded, THURSDAY, FRIDAY)
    made = write_report(embedded)
    trades = planned(embedded, THURSDAY) + planned(embedded, FRIDAY)
    assert (made.days, made.days_filed, made.days_stored, made.days_with_bars) == (3, 2, 2, 2)
    assert (made.trades_planned, made.trades_filed, made.trades_stored) == (TRADES, trades, trades)
    assert made.store_bytes is not None
    assert made.store_bytes > made.file_bytes > 0
    text = figures(made)
    assert text["days"] == "2024-01-04 to 2024-01-06 (3)"
    assert text["complete days"] == "2 of 3"
    assert (text["trades planned"], text["trades in files"]) == (f"{TRADES:,}", f"{trades:,}")
    assert text["store"].startswith("duckdb:")
    assert f"{made.file_bytes / trades:.2f} bytes a trade" in text["size of files"]
    assert f"| 2024-01 | 3 | 2 | {trades:,} |" in made.summary
    assert f"| 2024-01-06 | missing | missing | missing | {TRADES - trades:,} | 0 |" in made.summary
    assert made.markdown.read_text("utf-8") == made.summary
    assert made.markdown == embedded.reports / "default.md"


def test_the_page_has_the_same_figures_and_needs_nothing(friday: Project) -> None:
    """Tables, three plots, no link out."""
    made = write_report(friday)
    html = made.html.read_text("utf-8")
    self_contained(html)
    assert html.count("<svg") == 3
    for title in ("Totals", "Bars", "Months", "Incomplete days", "Trades by day", "Size of the day files"):
        assert f"<h2>{title}</h2>" in html
    for figure in figures(made).values():
        assert f"<td>{figure}</td>" in html
    assert f"<td>{planned(friday, FRIDAY):,}</td>" in html


def test_an_empty_dataset_has_a_report(project: Project) -> None:
    """Nothing made yet: zeros, every day listed as missing, plots without data."""
    made = write_report(project)
    assert (made.days_filed, made.trades_filed, made.trades_stored, made.bars) == (0, 0, 0, 0)
    assert (made.file_bytes, made.store_bytes) == (0, None)
    assert figures(made)["store"] == "memory"
    assert "0.0 MB (0.00 bytes a trade)" in made.summary
    assert made.summary.count("| missing | missing | missing |") == 3
    self_contained(made.html.read_text("utf-8"))


def test_a_complete_dataset_lists_no_incomplete_day(project: Project) -> None:
    """None is said, not an empty table."""
    make(project, *project.dataset.days)
    made = write_report(project)
    assert made.days_stored == made.days
    assert made.summary.endswith("## Incomplete days\n\nNone.\n")
    assert "<h2>Incomplete days</h2><p>None.</p>" in made.html.read_text("utf-8")


def test_a_long_list_of_incomplete_days_is_cut(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first are listed, the others counted."""
    monkeypatch.setattr(module, "MOST_LISTED", 2)
    made = write_report(project)
    assert "| 2024-01-05 | missing" in made.summary
    assert "| and 1 more |" in made.summary


def test_imported_symbols_are_drawn_too(tmp_path: Path) -> None:
    """A class of which nothing is known has a colour, and days without trades have a place."""
    csv = tmp_path / "trades.csv"
    csv.write_text("1,10.5,2,21,1704445200000,true\n2,10.5,2,21,1704617999000,true\n")
    import_files([csv], dataset_folder(tmp_path, "btc"), name="btc", symbol="BTCUSDT", format="binance")
    project = project_in(tmp_path, dataset="btc")
    make(project, *project.dataset.days)
    made = write_report(project)
    assert (made.days, made.days_filed, made.days_with_bars, made.trades_stored) == (3, 3, 3, 2)
    assert made.html == tmp_path / "reports" / "btc.html"
    self_contained(made.html.read_text("utf-8"))


def test_bars_of_another_universe_do_not_stop_the_report(embedded: Project, tmp_path: Path) -> None:
    """After the universe changed the old bars are still drawn, and their days told as stale."""
    make(embedded, FRIDAY)
    path = tmp_path / "universe.toml"
    path.write_text(
        '[[symbol]]\nname = "ONLY"\nasset_class = "crypto"\ncalendar = "24/7"\ntick_size = 0.01\nlot_size = 0.001\n'
        "round_lot = 0.001\nfirst_price = 10\nyearly_volatility = 0.5\nactivity = 1.0\nmean_amount = 1.0\n"
    )
    changed = project_in(tmp_path / "my data", store="duckdb", universe=path)
    made = write_report(changed)
    assert made.days_filed == 0
    assert "| 2024-01-05 | stale | proved | complete |" in made.summary


def test_a_folder_that_cannot_be_written_is_named(project: Project) -> None:
    """The machine's refusal is one sentence with the folder."""
    project.reports.parent.mkdir(parents=True)
    project.reports.write_text("a file")
    with pytest.raises(MachineError, match=r"Could not write the report at .*reports"):
        write_report(project)


def test_names_cannot_break_the_markup() -> None:
    """What looks like markup is shown as it is, in both forms."""
    section = Section("a <b>", [{"k|ey": "<script>x</script> | y"}])
    assert "| k\\|ey |" in section.markdown()
    assert "\\| y |" in section.markdown()
    html = page("a & b", [section])
    assert "<title>a &amp; b</title>" in html
    assert "<script>" not in html
