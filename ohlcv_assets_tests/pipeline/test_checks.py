"""What is spoiled fails the check that is there for it, and the verdict tells a reader where and how."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from typing import cast

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ohlcv_assets.bars.resolutions import RESOLUTIONS, STORED_RESOLUTIONS, Resolution
from ohlcv_assets.errors import DamagedDayFileError, MissingDayFileError
from ohlcv_assets.lake.dataset import dataset_folder
from ohlcv_assets.lake.importing import import_files
from ohlcv_assets.market.schema import STORED
from ohlcv_assets.pipeline import checks, parts
from ohlcv_assets.pipeline.checks import bar_checks, names, stored_checks, trades_checks
from ohlcv_assets.pipeline.kinds import BAR_CHECKS, STORED_CHECKS, TRADES_CHECKS
from ohlcv_assets.pipeline.steps import file_day, load_day, roll_up_day
from ohlcv_assets.project import Project
from ohlcv_assets.stores.base import TradeStore
from ohlcv_assets.verify.verdict import MAX_DIFFERENCES, Verdict
from ohlcv_assets_tests.pipeline.made import (
    FRIDAY,
    change_bars,
    damage,
    forge,
    make,
    planned,
    project_in,
    rewrite,
    with_values,
)

pytestmark = pytest.mark.integration


def failed(verdicts: Iterable[Verdict]) -> dict[str, Verdict]:
    """Return the verdicts that did not pass, by check."""
    return {verdict.check: verdict for verdict in verdicts if not verdict.passed}


def bars_failed(project: Project) -> dict[tuple[str, str], Verdict]:
    """Return the verdicts on bars that did not pass, by resolution and check."""
    found = bar_checks(project, FRIDAY)
    return {(resolution.name, verdict.check): verdict for resolution, verdict in found if not verdict.passed}


def test_an_untouched_day_passes_every_check(embedded: Project) -> None:
    """Every check runs, in the order that is published, and says what it compared."""
    make(embedded, FRIDAY)
    count = planned(embedded, FRIDAY)
    trades = list(trades_checks(embedded, FRIDAY))
    stored = list(stored_checks(embedded, FRIDAY))
    bars = list(bar_checks(embedded, FRIDAY))
    assert [verdict.check for verdict in trades] == list(names(TRADES_CHECKS))
    assert [verdict.check for verdict in stored] == list(names(STORED_CHECKS))
    assert [(resolution, verdict.check) for resolution, verdict in bars] == [
        (resolution, name) for resolution in STORED_RESOLUTIONS for name in names(BAR_CHECKS)
    ]
    everything = [*trades, *stored, *(verdict for _, verdict in bars)]
    assert all(verdict.passed and verdict.different == 0 for verdict in everything)
    assert trades[0].expected == trades[0].found == {"trades": count}
    assert stored[2].found == {"trades": 200}


def test_only_what_is_wanted_runs(friday: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """A check run alone gives its own verdict and does not read what only others need."""
    for name in names(TRADES_CHECKS):
        assert [verdict.check for verdict in trades_checks(friday, FRIDAY, {name})] == [name]
    for name in names(STORED_CHECKS):
        assert [verdict.check for verdict in stored_checks(friday, FRIDAY, {name})] == [name]
    chosen = [RESOLUTIONS["5m"], RESOLUTIONS["1d"]]
    for name in names(BAR_CHECKS):
        found = list(bar_checks(friday, FRIDAY, chosen, partial(_is, name)))
        assert [(resolution.name, verdict.check) for resolution, verdict in found] == [("5m", name), ("1d", name)]
    monkeypatch.setattr(checks, "bars_by_sql", None)
    assert list(bar_checks(friday, FRIDAY, wanted=lambda _resolution, name: name == "none")) == []


def _is(wanted: str, _resolution: Resolution, name: str) -> bool:
    return name == wanted


def _drop_some(trades: pa.Table) -> pa.Table:
    """Return trades without the last five of the first symbol."""
    held = trades.column("symbol").to_pylist().count("AAPL")
    return pa.concat_tables([trades.slice(0, held - 5), trades.slice(held)])


def test_a_file_that_lost_trades_is_not_the_plan(friday: Project) -> None:
    """The count check names the symbol; the file's own hash is right, so that check passes."""
    trades = friday.lake.read(FRIDAY)
    rewrite(friday, FRIDAY, _drop_some(trades))
    wrong = failed(trades_checks(friday, FRIDAY))
    assert wrong.keys() == {"count_matches_plan"}
    verdict = wrong["count_matches_plan"]
    count = trades.num_rows
    assert verdict.expected == {"trades": count}
    assert verdict.found == {"trades": count - 5}
    assert verdict.differences[0]["symbol"] == "AAPL"
    assert verdict.differences[0]["difference"] == -5
    assert f"has {count - 5:,} trades where the plan has {count:,}" in verdict.summary


@pytest.mark.parametrize(
    ("column", "value", "rule"),
    [
        ("price", 100.001, "on the price grid"),
        ("amount", -1.0, "amount positive and finite"),
        ("side", 0, "side +1 or -1"),
        ("trade_id", 10**9, "one more than the id before"),
    ],
)
def test_a_file_with_an_impossible_trade_breaks_a_rule(friday: Project, column: str, value: float, rule: str) -> None:
    """The invariants say which rule, which symbol, when, and the value."""
    rewrite(friday, FRIDAY, with_values(friday.lake.read(FRIDAY), column, {1: value}))
    wrong = failed(trades_checks(friday, FRIDAY))
    assert wrong.keys() == {"schema_and_invariants"}
    verdict = wrong["schema_and_invariants"]
    assert verdict.found[rule] == (2 if column == "trade_id" else 1)
    first = verdict.differences[0]
    assert (first["rule"], first["symbol"], first["value"]) == (rule, "AAPL", f"{column} {value}")
    assert f"AAPL {first['time']} breaks '{rule}'" in verdict.summary


def test_ids_that_follow_one_another_from_the_wrong_one_break_a_rule(friday: Project) -> None:
    """Ids count over the dataset: a day that starts them anew is no day of it, though they are without a gap."""
    trades = friday.lake.read(FRIDAY)
    ids = trades.column("trade_id").to_numpy().tolist()
    first = friday.source.first_ids(FRIDAY)
    symbols = [str(name) for name in trades.column("symbol").to_pylist()]
    started_anew = {row: number - first[symbol] for row, (number, symbol) in enumerate(zip(ids, symbols, strict=True))}
    rewrite(friday, FRIDAY, with_values(trades, "trade_id", started_anew))
    verdict = failed(trades_checks(friday, FRIDAY))["schema_and_invariants"]
    begun_before = {name for name in symbols if first[name] > 0}
    assert verdict.found["the id to start the day with"] == verdict.different == len(begun_before) > 0


def test_a_file_forged_under_its_footer_has_another_hash(friday: Project) -> None:
    """One trade changed without a trace in the footer is found by reading everything back."""
    trades = friday.lake.read(FRIDAY)
    forge(friday, FRIDAY, with_values(trades, "side", {3: -trades.column("side")[3].as_py()}))
    wrong = failed(trades_checks(friday, FRIDAY))
    assert wrong.keys() == {"content_hash"}
    verdict = wrong["content_hash"]
    assert verdict.expected["content_hash"] == friday.lake.inspect(FRIDAY).content_hash
    assert verdict.found != verdict.expected
    assert verdict.summary.endswith("changed after it was written; replace it with --force.")
    assert failed(stored_checks(friday, FRIDAY)).keys() == {"content"}


def test_an_imported_file_is_held_to_the_import_record(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is right in itself but not what was imported fails, whatever its footer promises."""
    monkeypatch.chdir(project.settings.data_dir.parent)
    csv = project.settings.data_dir.parent / "trades.csv"
    csv.write_text("1,10.5,2,21,1704445200000,true\n2,10.5,2,21,1704445201000,true\n")
    folder = dataset_folder(project.settings.data_dir, "btc")
    import_files([csv], folder, name="btc", symbol="BTCUSDT", format="binance")
    imported = project_in(project.settings.data_dir, dataset="btc")
    make(imported, FRIDAY)
    assert failed(trades_checks(imported, FRIDAY)) == {}
    trades = imported.lake.read(FRIDAY)
    rewrite(imported, FRIDAY, with_values(trades, "trade_id", {0: 1, 1: 2}))
    assert failed(trades_checks(imported, FRIDAY)).keys() == {"schema_and_invariants", "content_hash"}
    rewrite(imported, FRIDAY, with_values(trades, "amount", {0: 5.0}))
    wrong = failed(trades_checks(imported, FRIDAY))
    assert wrong.keys() == {"content_hash"}
    assert wrong["content_hash"].expected["content_hash"] == imported.dataset.record[FRIDAY].content_hash
    assert wrong["content_hash"].summary.endswith("; import the dataset 'btc' again with --force.")


def test_stored_trades_that_are_missing_or_too_many_are_counted(friday: Project) -> None:
    """The blocking check names symbols with more and with fewer trades than the file."""
    trades = friday.lake.read(FRIDAY)
    stray = with_values(trades.select(STORED.names).slice(0, 1), "price", {})
    ts = stray.column("ts").cast(pa.int64())[0].as_py() + 1
    stray = stray.set_column(1, STORED.field("ts"), pa.array([ts]).cast(STORED.field("ts").type))
    friday.trade_store.append(stray)
    verdict = failed(stored_checks(friday, FRIDAY))["count_per_symbol"]
    assert (verdict.expected, verdict.found) == ({"trades": trades.num_rows}, {"trades": trades.num_rows + 1})
    assert verdict.differences == (
        {
            "symbol": "AAPL",
            "expected": friday.lake.inspect(FRIDAY).counts["AAPL"],
            "found": friday.lake.inspect(FRIDAY).counts["AAPL"] + 1,
            "difference": 1,
        },
    )


def test_a_changed_stored_trade_shows_in_content_and_sample(project: Project) -> None:
    """Same counts, one price: symbol, hour, expected and found are told; a full sample finds the trade itself."""
    thorough = project_in(project.settings.data_dir, sample_size=1_000_000)
    make(thorough, FRIDAY)
    row = thorough.lake.read(FRIDAY).select(STORED.names).slice(2, 1)
    price = row.column("price")[0].as_py()
    thorough.trade_store.append(with_values(row, "price", {0: price * 2}))
    wrong = failed(stored_checks(thorough, FRIDAY))
    assert wrong.keys() == {"content", "sample"}
    assert {difference["field"] for difference in wrong["content"].differences} == {"price_max", "price_sum"}
    assert {difference["symbol"] for difference in wrong["content"].differences} == {"AAPL"}
    (found,) = wrong["sample"].differences
    assert (found["field"], found["expected"], found["found"]) == ("price", str(price), str(price * 2))
    assert wrong["sample"].found == {"trades": planned(thorough, FRIDAY)}


def test_a_store_without_the_day_fails_with_bounded_evidence(project: Project) -> None:
    """Nothing stored: every check fails, and the first differences are shown, not all."""
    file_day(project, FRIDAY)
    wrong = failed(stored_checks(project, FRIDAY))
    assert wrong.keys() == set(names(STORED_CHECKS))
    assert wrong["sample"].different == 200
    assert len(wrong["sample"].differences) == MAX_DIFFERENCES
    assert wrong["count_per_symbol"].found == {"trades": 0}


@pytest.mark.parametrize(
    ("column", "row", "factor", "expected"),
    [
        ("trades", 0, 2, {"totals", "equality", "chain"}),
        ("volume", 1, 1.5, {"totals", "invariants", "equality", "chain"}),
        ("high", 0, 0.5, {"totals", "invariants", "equality", "chain"}),
        ("low", 1, 2, {"totals", "invariants", "equality", "chain"}),
        ("turnover", 0, 1 + 1e-9, {"totals", "equality", "chain"}),
    ],
)
def test_a_changed_bar_fails_what_is_there_for_it(
    friday: Project, column: str, row: int, factor: float, expected: set[str]
) -> None:
    """Only the changed resolution fails; equality names symbol, instant, field and both values."""
    change_bars(friday, RESOLUTIONS["1d"], FRIDAY, column, row, factor)
    wrong = bars_failed(friday)
    assert wrong.keys() == {("1d", name) for name in expected}
    (difference,) = wrong["1d", "equality"].differences
    assert (difference["field"], difference["time"]) == (column, "2024-01-05T00:00:00Z")
    assert difference["expected"] != difference["found"]


def test_bars_that_are_gone_are_missed(friday: Project) -> None:
    """A deleted resolution does not add up, and every bar of it is missing."""
    gone = friday.bar_store.delete_day(RESOLUTIONS["1h"], FRIDAY)
    wrong = bars_failed(friday)
    assert wrong.keys() == {("1h", "totals"), ("1h", "equality"), ("1h", "chain"), ("1d", "chain")}
    assert wrong["1h", "equality"].different == gone
    assert (wrong["1h", "equality"].expected, wrong["1h", "equality"].found) == ({"bars": gone}, {"bars": 0})


def test_bars_are_compared_with_what_the_store_holds_of_trades(friday: Project) -> None:
    """Bars that are right for the file do not add up to stored trades that were changed."""
    row = friday.lake.read(FRIDAY).select(STORED.names).slice(0, 1)
    friday.trade_store.append(with_values(row, "side", {0: -row.column("side")[0].as_py()}))
    wrong = bars_failed(friday)
    totals = {(resolution.name, "totals") for resolution in STORED_RESOLUTIONS}
    assert wrong.keys() == totals | {("1m", "chain")}
    (hour,) = wrong["1m", "chain"].differences
    assert (hour["symbol"], hour["field"]) == ("AAPL", "side_sum")


def test_turnover_is_that_of_the_stored_trades_where_the_store_adds_it_up(friday: Project) -> None:
    """A changed price shows in the turnover of its symbol at every resolution, though it is no extreme."""
    trades = friday.lake.read(FRIDAY).select(STORED.names)
    row, price = _inner_trade(trades)
    friday.trade_store.append(with_values(row, "price", {0: price * (1 + 1e-9)}))
    wrong = bars_failed(friday)
    assert wrong.keys() == {(resolution.name, "totals") for resolution in STORED_RESOLUTIONS}
    assert {verdict.differences[0]["field"] for verdict in wrong.values()} == {"turnover"}
    assert {verdict.expected["turnover_of"] for verdict in wrong.values()} == {"stored trades"}


def test_turnover_is_that_of_the_file_where_the_store_does_not_add_it_up(
    friday: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The verdict says so; it is the same whether the file is read whole or in parts."""
    plain = replace(friday, trade_store=cast("TradeStore", _NoTurnover(friday.trade_store)))
    whole = [verdict for _, verdict in bar_checks(plain, FRIDAY) if verdict.check == "totals"]
    monkeypatch.setattr(parts, "PART_ROWS", 300)
    divided = [verdict for _, verdict in bar_checks(plain, FRIDAY) if verdict.check == "totals"]
    assert [verdict.expected["turnover"] for verdict in whole] == pytest.approx(
        [verdict.expected["turnover"] for verdict in divided]
    )
    assert all(verdict.passed for verdict in (*whole, *divided))
    assert {verdict.expected["turnover_of"] for verdict in (*whole, *divided)} == {"day file's trades"}
    change_bars(friday, RESOLUTIONS["5m"], FRIDAY, "turnover", 2, 1.1)
    assert ("5m", "totals") in bars_failed(plain)


class _NoTurnover:
    """A store of trades that does not add up turnover."""

    def __init__(self, store: TradeStore) -> None:
        self.content, self.counts = store.content, store.counts


def _inner_trade(trades: pa.Table) -> tuple[pa.Table, float]:
    """Return a trade of the first symbol whose price is no extreme of its day, and that price."""
    prices = [row["price"] for row in trades.to_pylist() if row["symbol"] == "AAPL"]
    at = next(at for at, price in enumerate(prices) if min(prices) < price < max(prices))
    return trades.slice(at, 1), prices[at]


@pytest.mark.parametrize("run", [trades_checks, stored_checks, bar_checks])
def test_without_a_file_nothing_can_be_proved(
    project: Project, run: Callable[[Project, dt.date], Iterable[object]]
) -> None:
    """The error says what is missing; no verdict is made up."""
    with pytest.raises(MissingDayFileError):
        list(run(project, FRIDAY))


@pytest.mark.parametrize("run", [trades_checks, stored_checks])
def test_a_damaged_file_is_named(friday: Project, run: Callable[[Project, dt.date], Iterable[object]]) -> None:
    """Damage in the pages, under a footer that is whole, is found when they are read."""
    damage(friday.lake.inspect(FRIDAY))
    with pytest.raises(DamagedDayFileError, match=r"trades\.parquet is damaged"):
        list(run(friday, FRIDAY))


def test_a_file_that_sql_cannot_read_is_named(friday: Project) -> None:
    """The check of bars says which file, and where to look, instead of the database's own words alone."""
    damage(friday.lake.inspect(FRIDAY))
    with pytest.raises(DamagedDayFileError, match=r"trades\.parquet cannot be read by SQL.*replace it with --force"):
        list(bar_checks(friday, FRIDAY))


def test_a_large_day_is_judged_by_parts(friday: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts give one verdict over all of the day, with the same figures; what is wrong in one of them fails it."""
    whole = {verdict.check: verdict for verdict in (*trades_checks(friday, FRIDAY), *stored_checks(friday, FRIDAY))}
    monkeypatch.setattr(parts, "PART_ROWS", 300)
    divided = {verdict.check: verdict for verdict in (*trades_checks(friday, FRIDAY), *stored_checks(friday, FRIDAY))}
    assert all(verdict.passed for verdict in divided.values())
    for name in ("count_matches_plan", "schema_and_invariants", "content_hash", "count_per_symbol", "content"):
        assert (divided[name].expected, divided[name].found) == (whole[name].expected, whole[name].found)
    picked = divided["sample"].found["trades"]
    assert isinstance(picked, int)
    assert 200 <= picked < 250
    trades = friday.lake.read(FRIDAY)
    last = trades.select(STORED.names).slice(trades.num_rows - 1)
    friday.trade_store.append(with_values(last, "amount", {0: 12345.0}))
    wrong = failed(stored_checks(friday, FRIDAY, {"content"}))["content"]
    assert {difference["symbol"] for difference in wrong.differences} == {trades.column("symbol")[-1].as_py()}


def test_strangers_in_the_store_fail_a_day_in_parts(friday: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stored symbol that the file does not have is answered for by some part, once."""
    monkeypatch.setattr(parts, "PART_ROWS", 300)
    row = friday.lake.read(FRIDAY).select(STORED.names).slice(0, 1)
    stranger = row.set_column(0, STORED.field("symbol"), pa.array(["ZZZ"]).dictionary_encode())
    friday.trade_store.append(stranger)
    wrong = failed(stored_checks(friday, FRIDAY, {"content"}))["content"]
    assert wrong.different == 1
    assert (wrong.differences[0]["symbol"], wrong.differences[0]["field"]) == ("ZZZ", "extra")


def test_files_of_other_columns_never_get_as_far(friday: Project) -> None:
    """A file whose columns are others is damaged, whatever its seal."""
    file = friday.lake.inspect(FRIDAY)
    forge(friday, FRIDAY, friday.lake.read(FRIDAY).drop_columns(["trade_id"]))
    assert pq.read_metadata(file.path).num_rows == file.rows
    with pytest.raises(DamagedDayFileError, match="columns are not those of a day file"):
        list(trades_checks(friday, FRIDAY))


def test_checks_can_be_repeated_alone(friday: Project) -> None:
    """After the cause is removed and the day made again, the same checks pass."""
    friday.trade_store.delete_day(FRIDAY)
    change_bars(friday, RESOLUTIONS["5m"], FRIDAY, "volume", 0, 3)
    assert failed(stored_checks(friday, FRIDAY))
    assert bars_failed(friday)
    load_day(friday, FRIDAY)
    roll_up_day(friday, FRIDAY)
    assert failed(stored_checks(friday, FRIDAY)) == {}
    assert bars_failed(friday) == {}
