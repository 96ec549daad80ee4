"""Reading a dataset from Python."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import ohlcv_assets
from ohlcv_assets.bars.resolutions import BARS
from ohlcv_assets.errors import (
    DatasetError,
    InvalidDateError,
    MissingDayFileError,
    OutsideDatasetError,
    SettingsError,
    UnknownSymbolError,
    UserError,
)
from ohlcv_assets.frames import When, instant
from ohlcv_assets.market.schema import TRADES
from ohlcv_assets.reading import Reader, open_dataset
from ohlcv_assets.units import HOUR, day_start

pytestmark = pytest.mark.integration
FRIDAY = dt.date(2024, 1, 5)
"""A session of the tiny dataset."""


@pytest.fixture
def data(tiny: Path) -> Reader:
    """Open the tiny dataset."""
    assert tiny.is_dir()
    return open_dataset()


def test_the_package_opens_datasets(tiny: Path) -> None:
    """``ohlcv_assets.open_dataset`` is the way in, and costs nothing until it is used."""
    data = ohlcv_assets.open_dataset(data_dir=tiny)
    assert isinstance(data, ohlcv_assets.Reader)
    assert repr(data) == "<dataset 'default': 28 symbols, 2024-01-04 to 2024-01-09>"
    assert (data.name, data.days[0], len(data.days)) == ("default", dt.date(2024, 1, 4), 6)
    with pytest.raises(AttributeError, match="no attribute 'close_dataset'"):
        ohlcv_assets.close_dataset  # noqa: B018 -- asking is the test


def test_what_cannot_be_opened_says_why(tiny: Path) -> None:
    """The same errors as everywhere."""
    assert tiny.is_dir()
    with pytest.raises(DatasetError, match="nowhere"):
        open_dataset("nowhere")
    with pytest.raises(SettingsError, match="did you mean data_dir"):
        open_dataset(data_dirs="x")


def test_symbols_have_their_grid(data: Reader) -> None:
    """One row a symbol, in three kinds of frame."""
    symbols = data.symbols()
    assert isinstance(symbols, pd.DataFrame)
    apple = symbols.set_index("symbol").loc["AAPL"]
    assert (apple["asset_class"], apple["calendar"], apple["tick_size"]) == ("stock", "XNYS", 0.01)
    assert data.symbols(as_="polars").height == data.symbols(as_="arrow").num_rows == 28


def test_trades_are_frames(data: Reader) -> None:
    """Trades of a day: typed columns, exact instants, the same in three kinds of frame."""
    trades = data.trades("AAPL", FRIDAY, FRIDAY)
    assert list(trades.columns) == TRADES.names
    assert str(trades["ts"].dtype) == "datetime64[ns, UTC]"
    assert trades["ts"].is_monotonic_increasing
    assert trades["ts"].dt.date.unique().tolist() == [FRIDAY]
    arrow = data.trades("AAPL", FRIDAY, FRIDAY, as_="arrow")
    assert arrow.schema.equals(TRADES)
    assert data.trades("AAPL", FRIDAY, FRIDAY, as_="polars")["price"].to_list() == trades["price"].tolist()


def test_several_symbols_come_in_order(data: Reader) -> None:
    """By day, then symbol, then time; a name given twice counts once."""
    trades = data.trades(["BTC-USD", "AAPL", "AAPL"], "2024-01-04", "2024-01-05")
    keys = list(zip(trades["ts"].dt.date, trades["symbol"].astype(str), trades["ts"], strict=True))
    assert keys == sorted(keys)
    assert len(set(keys)) == len(keys)
    assert set(trades["symbol"]) == {"AAPL", "BTC-USD"}


def test_iterating_gives_the_same_in_pieces(data: Reader) -> None:
    """A day and a symbol at a time, lazily."""
    pieces = list(data.iter_trades(["AAPL", "BTC-USD"], "2024-01-04", "2024-01-08", as_="arrow"))
    assert len(pieces) == 3 + 5
    whole = data.trades(["AAPL", "BTC-USD"], "2024-01-04", "2024-01-08", as_="arrow")
    assert pa.concat_tables(pieces).unify_dictionaries().equals(whole)


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("2024-01-05T15:00Z", "2024-01-05T16:00Z"),
        (
            dt.datetime(2024, 1, 5, 15, tzinfo=dt.UTC),
            dt.datetime(2024, 1, 5, 17, tzinfo=dt.timezone(dt.timedelta(hours=1))),
        ),
        (dt.datetime(2024, 1, 5, 15), dt.datetime(2024, 1, 5, 16)),  # noqa: DTZ001 -- a naive instant is UTC
        (pd.Timestamp("2024-01-05T15:00Z"), pd.Timestamp("2024-01-05T16:00")),
        (np.datetime64("2024-01-05T15"), np.datetime64("2024-01-05T16:00:00.000")),
        (day_start(FRIDAY) + 15 * HOUR, day_start(FRIDAY) + 16 * HOUR),
    ],
)
def test_an_instant_may_be_anything_that_names_one(data: Reader, start: When, end: When) -> None:
    """Text, datetime, Timestamp, datetime64 and nanoseconds mean the same hour."""
    hour = data.trades("AAPL", start, end)
    day = data.trades("AAPL", FRIDAY, FRIDAY)
    assert len(hour) > 0
    assert hour["trade_id"].tolist() == day[day["ts"].dt.hour == 15]["trade_id"].tolist()


def test_instants_are_exact_to_the_nanosecond() -> None:
    """A Timestamp's nanoseconds are kept."""
    assert instant(pd.Timestamp(1_704_466_800_000_000_123, unit="ns"), end=False) == 1_704_466_800_000_000_123


@pytest.mark.parametrize(
    ("start", "end", "error", "says"),
    [
        (
            "2023-12-31",
            None,
            OutsideDatasetError,
            "2023-12-31 is outside dataset 'default'; its days run from 2024-01-04",
        ),
        (None, "2024-02", OutsideDatasetError, "2024-02 is outside dataset 'default'"),
        ("2024-01-06", "2024-01-05", InvalidDateError, "not after its start at 2024-01-06T00:00:00Z"),
        ("soon", None, InvalidDateError, "'soon' is no date or instant"),
        (None, None, MissingDayFileError, "2024-01-09"),
    ],
)
def test_ranges_that_cannot_be_read_say_why(
    data: Reader, start: str | None, end: str | None, error: type[Exception], says: str
) -> None:
    """Dates, order, the dataset's bounds and missing files."""
    with pytest.raises(error, match=says):
        data.trades("AAPL", start, end)


def test_mistakes_are_found_before_anything_is_read(data: Reader) -> None:
    """Iterators refuse at the call, not at the first piece."""
    with pytest.raises(UnknownSymbolError, match="AAPL"):
        data.iter_trades("AAPPL")
    with pytest.raises(UserError, match="There is no resolution '7m'"):
        data.iter_bars("AAPL", "7m")
    with pytest.raises(UserError, match="choose pandas, polars or arrow"):
        data.symbols(as_="excel")  # type: ignore[call-overload]  # the mistake


def test_a_frame_has_a_limit(data: Reader) -> None:
    """Memory is never the limit: whole days are counted before reading, the rest while reading."""
    for start, end in (("2024-01-05", "2024-01-05"), ("2024-01-05T10:00Z", "2024-01-05T20:00Z")):
        with pytest.raises(UserError, match="over the limit of 10: narrow the range, raise limit=, or take a piece"):
            data.trades("AAPL", start, end, limit=10)
    with pytest.raises(UserError, match=r"bars, over the limit of 10.*iter_bars"):
        data.bars("AAPL", "1m", "2024-01-05", "2024-01-05", limit=10)


def test_bars_are_frames(data: Reader) -> None:
    """Stored and derived bars, of one symbol or several."""
    bars = data.bars("AAPL", "1h", "2024-01-04", "2024-01-08")
    assert list(bars.columns) == BARS.names
    assert str(bars["ts"].dtype) == "datetime64[ns, UTC]"
    trades = data.trades("AAPL", "2024-01-04", "2024-01-08")
    assert bars["trades"].sum() == len(trades)
    four = data.bars(["AAPL", "BTC-USD"], "4h", "2024-01-04", "2024-01-08", as_="polars")
    assert isinstance(four, pl.DataFrame)
    assert four.filter(pl.col("symbol") == "AAPL")["trades"].sum() == len(trades)
    assert data.bars("AAPL", "1d", "2024-01-06", "2024-01-07", as_="arrow").num_rows == 0
    assert data.bars("AAPL", "1M", as_="arrow").num_rows == 0


def test_iterating_bars_gives_the_same_in_pieces(data: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stretches are cut at midnight and lose nothing."""
    monkeypatch.setattr("ohlcv_assets.reading._BARS_A_PIECE", 48)
    pieces = list(data.iter_bars("BTC-USD", "30m", "2024-01-04T12:00Z", "2024-01-08", as_="arrow"))
    whole = data.bars("BTC-USD", "30m", "2024-01-04T12:00Z", "2024-01-08", as_="arrow")
    assert len(pieces) == 5
    assert pa.concat_tables(pieces).unify_dictionaries().cast(BARS).equals(whole)
