"""`ohlcv trades` and `ohlcv bars`: the same rows in every form."""

from __future__ import annotations

import csv
import io
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ohlcv_assets.bars.resolutions import BARS
from ohlcv_assets.cli.export import Format, Rows, export
from ohlcv_assets.errors import UserError
from ohlcv_assets.market.schema import TRADES
from ohlcv_assets_tests.commands import Ohlcv

pytestmark = pytest.mark.integration


def test_trades_are_the_same_in_every_format(ohlcv: Ohlcv, tmp_path: Path) -> None:
    """JSON, CSV and Parquet hold the same trades, exact to the nanosecond and the last digit."""
    words = ("trades", "AAPL", "--from", "2024-01-05", "--to", "2024-01-05")
    document = ohlcv(*words, "--json").document
    rows = document["trades"]
    assert (document["symbol"], document["count"], document["truncated"]) == ("AAPL", len(rows), False)
    assert (document["from"], document["to"]) == ("2024-01-05T00:00:00Z", "2024-01-06T00:00:00Z")
    assert len(rows) > 10
    lines = list(csv.DictReader(io.StringIO(ohlcv(*words, "--format", "csv").out)))
    assert [{key: str(value) for key, value in row.items()} for row in rows] == lines
    ohlcv(*words, "--format", "parquet", "--output", str(tmp_path / "t.parquet"))
    read = pq.read_table(tmp_path / "t.parquet")
    assert read.schema.equals(TRADES)
    assert read["price"].to_pylist() == [row["price"] for row in rows]
    assert [name for name in tmp_path.iterdir() if name.suffix == ".part"] == []


def test_trades_come_from_file_and_store_alike(ohlcv: Ohlcv) -> None:
    """The store holds what the files hold, all but the id."""
    words = ("trades", "BTC-USD", "--from", "2024-01-06", "--to", "2024-01-07", "--json")
    stored = ohlcv(*words, "--source", "store").document["trades"]
    filed = ohlcv(*words).document["trades"]
    assert [{key: row[key] for key in stored[0]} for row in filed] == stored
    assert stored[0].keys() == filed[0].keys() - {"trade_id"}


def test_instants_are_half_open_to_the_nanosecond(ohlcv: Ohlcv) -> None:
    """A trade at the end is out, one at the start is in."""
    day = ohlcv("trades", "AAPL", "--from", "2024-01-05", "--to", "2024-01-05", "--json").document["trades"]
    first, second = day[3]["ts"], day[5]["ts"]
    words = ("trades", "AAPL", "--from", first, "--to", second, "--json")
    assert ohlcv(*words).document["trades"] == day[3:5]


def test_a_limit_is_said(ohlcv: Ohlcv) -> None:
    """What is cut is said: in the document, or on standard error."""
    words = ("trades", "AAPL", "--from", "2024-01-05", "--to", "2024-01-05", "--limit", "3")
    document = ohlcv(*words, "--json").document
    assert (document["count"], document["truncated"]) == (3, True)
    shown = ohlcv(*words)
    assert "Only the first 3 trades are shown" in shown.err
    assert shown.out.count("AAPL") == 3
    assert ohlcv("trades", "AAPL", "--limit", "0", "--json").document["trades"] == []


def test_a_table_shows_fifty_rows_unless_told(ohlcv: Ohlcv, tmp_path: Path) -> None:
    """A table is for eyes; it can also be a file."""
    shown = ohlcv("trades", "AAPL", "--to", "2024-01-05")
    assert shown.out.count("AAPL") == 50
    ohlcv("trades", "AAPL", "--to", "2024-01-05", "--output", str(tmp_path / "t.txt"))
    assert (tmp_path / "t.txt").read_text().count("AAPL") == 50


def test_bars_have_the_same_names_everywhere(ohlcv: Ohlcv) -> None:
    """A document of bars says resolution and range, and which days have none yet."""
    document = ohlcv("bars", "AAPL", "--resolution", "1d", "--json").document
    assert list(document["bars"][0]) == BARS.names
    assert document["resolution"] == "1d"
    assert [row["ts"][:10] for row in document["bars"]] == ["2024-01-04", "2024-01-05", "2024-01-08"]
    assert document["days_missing"] == ["2024-01-09"]


@pytest.mark.parametrize("resolution", ["1m", "30m", "4h", "1W", "1M"])
def test_derived_bars_hold_the_same_trades(ohlcv: Ohlcv, resolution: str) -> None:
    """Stored or derived, bars add up to the trades."""
    words = ("--to", "2024-01-08", "--json")
    if resolution in {"1W", "1M"}:
        document = ohlcv("--set", "start=2024-01-01", "bars", "BTC-USD", "-r", resolution, *words).document
    else:
        document = ohlcv("bars", "BTC-USD", "-r", resolution, *words).document
    trades = ohlcv("trades", "BTC-USD", "--to", "2024-01-08", "--json").document
    opens = [row["ts"] for row in document["bars"]]
    counted = [row for row in trades["trades"] if resolution != "1W" or row["ts"] < "2024-01-08"] if opens else []
    assert sum(row["trades"] for row in document["bars"]) in {trades["count"], len(counted)}
    assert opens == sorted(opens)


def test_what_is_missing_is_remarked(ohlcv: Ohlcv) -> None:
    """Days without bars are named on standard error; standard output stays clean."""
    shown = ohlcv("bars", "AAPL", "-r", "1d", "-f", "csv")
    assert "1 day of this range has trades but no bars yet: 2024-01-09" in shown.err
    assert shown.out.splitlines()[0] == ",".join(BARS.names)
    assert ohlcv("bars", "AAPL", "--to", "2024-01-08").err == ""


def test_bars_are_drawn_as_candles(ohlcv: Ohlcv) -> None:
    """--format chart draws; a range without bars says so."""
    shown = ohlcv("bars", "AAPL", "--to", "2024-01-08", "--format", "chart")
    assert shown.code == 0
    for said in ("AAPL 1d, 2024-01-04 to 2024-01-08", "Jan 04", "Jan 08", "volume"):
        assert said in shown.out
    hours = ohlcv("bars", "AAPL", "-r", "1h", "--to", "2024-01-04", "--format", "chart")
    assert "14:00" in hours.out
    nothing = ohlcv("bars", "AAPL", "--from", "2024-01-06", "--to", "2024-01-07", "--format", "chart")
    assert "There are no 1d bars of AAPL in this range." in nothing.err


def test_parquet_goes_through_a_pipe(tiny: Path) -> None:
    """Standard output can carry Parquet bytes to another program."""
    code = "import sys; from ohlcv_assets.cli import main; sys.exit(main(sys.argv[1:]))"
    words = ["bars", "AAPL", "-r", "1h", "--to", "2024-01-08", "-f", "parquet"]
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, check=True)
    assert tiny.is_dir()
    read = pq.read_table(io.BytesIO(done.stdout))
    assert read.schema.equals(BARS)
    assert read.num_rows > 10


def test_parquet_is_not_for_terminals(monkeypatch: pytest.MonkeyPatch) -> None:
    """Binary on a terminal helps nobody."""

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stdout", Terminal())
    with pytest.raises(UserError, match="give --output FILE"):
        export(Rows("bars", BARS, iter(()), {}), Format.parquet, None, None)


def test_an_output_file_appears_only_when_complete(tmp_path: Path) -> None:
    """A stream that breaks leaves what was there before."""

    def torn() -> object:
        yield BARS.empty_table()
        raise OSError("torn")

    target = tmp_path / "bars.csv"
    target.write_text("before")
    with pytest.raises(OSError, match="torn"):
        export(Rows("bars", BARS, torn(), {}), Format.csv, target, None)  # type: ignore[arg-type]  # a generator
    assert target.read_text() == "before"
    assert list(tmp_path.iterdir()) == [target]


def test_rows_reach_a_standard_output_without_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A standard output that only takes text, as notebooks have, gets text."""
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stdout", stream)
    export(Rows("bars", BARS, iter(()), {}), Format.csv, None, None)
    assert stream.getvalue() == ",".join(BARS.names) + "\n"


def test_large_numbers_are_cut_sensibly(capsys: pytest.CaptureFixture[str]) -> None:
    """Wide sums get two decimals, small amounts all they have, an instant no more digits than it needs."""
    row = {
        "symbol": "X",
        "ts": 1_704_445_200_000_000_001,
        "open": 0.00000012,
        "high": 1.5,
        "low": 0.1,
        "close": 1.0,
        "volume": 1e9,
        "turnover": 1234567.891,
        "trades": 12345,
        "imbalance": -3,
    }
    export(Rows("bars", BARS, iter([pa.Table.from_pylist([row], BARS)]), {}), Format.table, None, None)
    shown = capsys.readouterr().out
    for text in ("2024-01-05T09:00:00.000000001Z", "0.00000012", "1,234,567.89", "12,345", "1,000,000,000.00"):
        assert text in shown
