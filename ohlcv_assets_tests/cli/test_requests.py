"""Plan, config, realism, import: what is asked is what is shown; what is wrong writes nothing."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from ohlcv_assets import market
from ohlcv_assets.bench import strategies as bench_strategies
from ohlcv_assets.bench.strategies import StrategyRow
from ohlcv_assets.cli import main
from ohlcv_assets.generate.realism import report as realism_report
from ohlcv_assets.generate.realism.gates import CLUSTERING, FANO
from ohlcv_assets.generate.realism.report import Row
from ohlcv_assets.generate.strategies import Strategies
from ohlcv_assets.settings import Settings
from ohlcv_assets_tests.commands import Ohlcv, content_of

pytestmark = pytest.mark.integration
SHIPPED_UNIVERSE = (Path(market.__file__).parent / "universe.toml").read_text("utf-8")


def test_the_plan_adds_up_in_every_form(ohlcv: Ohlcv) -> None:
    """Months and symbols add up to exactly the total asked for, in the document and in the table."""
    document = ohlcv("plan", "--total", "12345", "--json").document
    assert document["total"] == 12345
    for part in ("months", "symbols"):
        assert sum(row["trades"] for row in document[part]) == 12345
    shown = ohlcv("plan", "--total", "12345")
    assert "12,345 trades, 28 symbols, 2024-01-04 to 2024-01-09 (6 days)" in shown.out
    assert "2024-01" in shown.out
    assert "AAPL" in shown.out


def test_the_plan_obeys_seed_and_spread(ohlcv: Ohlcv) -> None:
    """Options of the command outrank the environment."""
    plain = ohlcv("plan", "--json").document
    assert ohlcv("plan", "--json").document == plain
    assert ohlcv("plan", "--seed", "7", "--json").document != plain
    uniform = ohlcv("plan", "--spread", "uniform", "--json").document
    assert uniform["total"] == plain["total"]
    assert uniform != plain


def test_config_says_where_each_value_came_from(ohlcv: Ohlcv) -> None:
    """Every setting with its value and source, in both forms."""
    document = ohlcv("--set", "OHLCV_SEED=7", "config", "--json").document
    rows = {row["name"]: row for row in document["settings"]}
    assert rows.keys() == Settings.model_fields.keys()
    assert (rows["seed"]["value"], rows["seed"]["source"]) == (7, "argument")
    assert (rows["total_trades"]["value"], rows["total_trades"]["source"]) == (6000, "environment")
    assert (rows["universe"]["value"], rows["universe"]["source"]) == (None, "default")
    shown = ohlcv("config").out
    for name in Settings.model_fields:
        assert f"OHLCV_{name.upper()}" in shown


def test_realism_judges_generated_trades(ohlcv: Ohlcv) -> None:
    """Gates with values in both forms; the exit code says whether all were passed."""
    words = ("realism", "--symbols", "AAPL,BTC-USD", "--days", "2")
    document = ohlcv(*words, "--json").document
    assert {row["symbol"] for row in document["rows"]} == {"AAPL", "BTC-USD"}
    assert (document["first"], document["last"]) == ("2024-01-04", "2024-01-05")
    shown = ohlcv(*words)
    assert shown.code == (0 if document["passed"] else 1)
    assert "AAPL, 2 sessions" in shown.out
    assert "gates passed" in shown.out


def test_the_control_misses_what_it_must(ohlcv: Ohlcv) -> None:
    """With the control the exit code is 1 and the expected failures are named."""
    days = ("--set", "start=2024-01-02", "--set", "end=2024-01-12", "--set", "total_trades=1000000")
    shown = ohlcv(*days, "realism", "--model", "gbm", "--symbols", "AAPL,MSFT")
    assert shown.code == 1
    assert "Missed, as this control must: " in shown.out
    document = ohlcv("realism", "--model", "gbm", "--days", "1", "--json").document
    assert document["strategies"]["price_model"] == "gbm"
    assert document["expected_failures"]


def row(symbol: str, statistic: str, *, passed: bool) -> Row:
    """Return one judged statistic."""
    return Row(symbol, statistic, 1.0, "> 2", passed, 60)


@pytest.mark.parametrize(
    ("model", "rows", "says"),
    [
        (
            "gbm",
            (row("A", CLUSTERING, passed=False), row("B", CLUSTERING, passed=True)),
            (f"must: {CLUSTERING} (A)", f"Passed, though this control must miss them: {CLUSTERING} (B)."),
        ),
        ("gbm", (row("A", CLUSTERING, passed=True),), ("Missed, as this control must: none.",)),
        ("stochastic-volatility", (row("A", FANO, passed=False),), (f"Missed: {FANO} (A)",)),
        ("stochastic-volatility", (row("A", FANO, passed=True),), ("1 of 1 gates passed, 0 not judged.",)),
    ],
)
def test_realism_names_every_surprise(
    ohlcv: Ohlcv, monkeypatch: pytest.MonkeyPatch, model: str, rows: tuple[Row, ...], says: tuple[str, ...]
) -> None:
    """What missed its gate, and what passed though a control must not, is named by statistic and symbol."""
    monkeypatch.setattr(realism_report, "measure", lambda *_: realism_report.Report(Strategies(model), rows))
    shown = ohlcv("realism", "--model", model)
    assert shown.code == (0 if all(found.passed for found in rows) else 1)
    for said in says:
        assert said in shown.out


def test_every_strategy_is_compared(ohlcv: Ohlcv, tmp_path: Path) -> None:
    """`ohlcv bench strategies` shows speed, size and gates of each, and keeps no file."""
    words = ("bench", "strategies", "--days", "2", "--repeats", "1")
    document = ohlcv(*words, "--day", "2024-01-05", "--json").document
    assert document["day"] == "2024-01-05"
    assert len({tuple(found["strategies"].values()) for found in document["rows"]}) == len(document["rows"]) > 5
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("as_expected", [True, False])
def test_a_strategy_that_surprises_is_a_failure(
    ohlcv: Ohlcv,
    monkeypatch: pytest.MonkeyPatch,
    as_expected: bool,
) -> None:
    """The table marks it and the exit code says so."""
    found = StrategyRow(Strategies(price_model="gbm"), 12e6, 7.5, 20, 24, as_expected)
    monkeypatch.setattr(bench_strategies, "compare_strategies", lambda *_args, **_options: [found])
    shown = ohlcv("bench", "strategies")
    assert shown.code == (0 if as_expected else 1)
    for said in ("gbm", "12.0M", "7.50", "20/24"):
        assert said in shown.out


def test_realism_can_take_every_symbol(ohlcv: Ohlcv) -> None:
    """`--symbols all` means the whole universe; without it, the most active of each class."""
    words = ("realism", "--days", "1", "--json")
    assert len({row["symbol"] for row in ohlcv(*words, "--symbols", "all").document["rows"]}) == 28
    assert len({row["symbol"] for row in ohlcv(*words).document["rows"]}) == 4


BINANCE = "".join(
    f"{number},{60_000 + number}.5,0.{number + 1},1,{1_704_445_200_000 + 250 * number},True,True\n"
    for number in range(5)
)
"""Rows as Binance publishes spot trades: id, price, quantity, quote quantity, time, buyer is maker, best match."""


def test_an_import_says_in_numbers_what_it_did(ohlcv: Ohlcv, copied: Path, tmp_path: Path) -> None:
    """An imported dataset can be planned, read and listed like any other."""
    source = tmp_path / "BTCUSDT-trades-2024-01-05.csv"
    source.write_text(BINANCE + BINANCE.splitlines(keepends=True)[0])
    words = ("import", str(source), "--dataset", "btc", "--symbol", "BTCUSDT", "--format", "binance")
    shown = ohlcv(*words)
    assert shown.code == 0, shown.err
    assert "Dataset btc: 5 trades of BTCUSDT, 2024-01-05 to 2024-01-05 (1 day, 0 of them without trades)" in shown.out
    assert "binance" in shown.out
    assert (copied / "datasets" / "btc" / "dataset.json").is_file()
    document = ohlcv(*words, "--force", "--json").document
    assert (document["dataset"], document["trades"], document["duplicates"]) == ("btc", 5, 1)
    assert ohlcv("--dataset", "btc", "plan", "--json").document["total"] == 5
    assert ohlcv("--dataset", "btc", "trades", "BTCUSDT", "--json").document["count"] == 5
    for command in (("realism",), ("bench", "strategies")):
        refused = ohlcv("--dataset", "btc", *command)
        assert (refused.code, refused.err.count("\n")) == (2, 1)


def test_other_files_are_imported_by_mapping(ohlcv: Ohlcv, copied: Path, tmp_path: Path) -> None:
    """Columns are named by the user; unreadable rows are passed over only if asked, and named."""
    source = tmp_path / "mine.csv"
    source.write_text("when,px,qty\n1704445200000,1.5,2\nsoon,1.5,2\n1704445201000,1.25,4\n")
    words = (
        "import",
        str(source),
        "--dataset",
        "mine",
        "--symbol",
        "X",
        "--map",
        "ts=when,price=px,amount=qty,unit=ms",
    )
    refused = ohlcv(*words)
    assert (refused.code, refused.out) == (2, "")
    assert "line 3" in refused.err
    assert not (copied / "datasets" / "mine").exists()
    shown = ohlcv(*words, "--skip-bad", "1")
    assert shown.code == 0, shown.err
    assert "passed over: " in shown.err
    assert "line 3" in shown.err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("trades", "AAPPL"), "did you mean AAPL? It has: AAPL, "),
        (("bars", "aapl"), "did you mean AAPL? It has: AAPL, "),
        (("bars", "???"), "There is no symbol '???' in this dataset; it has: AAPL, "),
        (("bars", "AAPL", "--resolution", "7m"), "There is no resolution '7m'"),
        (("trades", "AAPL", "--from", "2023-12-31"), "2023-12-31 is outside dataset 'default'"),
        (("bars", "AAPL", "--to", "2024-02"), "2024-02 is outside dataset 'default'"),
        (("trades", "AAPL", "--from", "2024-02-30"), "'2024-02-30' names a day that no calendar has"),
        (("trades", "AAPL", "--from", "tomorrow"), "'tomorrow' is no date or instant"),
        (("trades", "AAPL", "--from", "2024-01-08", "--to", "2024-01-05"), "swap or widen the two"),
        (("trades", "AAPL", "--from", "2024-01-09"), "2024-01-09"),
        (("trades", "AAPL", "--json"), "2024-01-09"),
        (("trades", "AAPL", "--format", "csv", "--output", "out.csv"), "2024-01-09"),
        (("verify", "--from", "2024-01-05T10:00Z"), "is neither a day nor a month"),
        (("verify", "--from", "2025-01-01"), "2025-01-01 is outside dataset 'default'"),
        (("verify", "--from", "2024-01-08", "--to", "2024-01-05"), "is before --from 2024-01-08; swap the two"),
        (("plan", "--total", "0"), "total_trades=0 (argument): input should be greater than or equal to 1"),
        (("--set", "end=2023-01-01", "plan"), "2023-01-01 is before the first day"),
        (("--set", "universe=nowhere.toml", "plan"), "there is no file 'nowhere.toml'"),
        (("--set", "universe=duplicate.toml", "plan"), "duplicate.toml: "),
        (("--set", "price_model=magic", "realism"), "price_model=magic"),
        (("--dataset", "nowhere", "trades", "AAPL"), "nowhere"),
        (("realism", "--symbols", "AAPL,NONE"), "NONE"),
        (("import", "nowhere.csv", "--dataset", "x"), "nowhere.csv"),
        (("import", "duplicate.toml", "--dataset", "default"), "is the generated one; choose another --dataset"),
        (("import", "duplicate.toml", "--dataset", "x", "--map", "ts=a"), "The mapping lacks price, amount"),
        (("purge", "everything"), "Nobody is here to confirm the deletion; say --yes."),
        (("purge", "dataset", "--from", "2024-01-05", "--yes"), "A dataset is deleted whole"),
    ],
)
def test_what_cannot_be_done_is_one_sentence_and_writes_nothing(
    ohlcv: Ohlcv, tiny: Path, tmp_path: Path, words: tuple[str, ...], says: str
) -> None:
    """Exit code 2, one sentence on standard error, nothing on standard output, nothing written."""
    first = SHIPPED_UNIVERSE.index("[[symbol]]")
    second = SHIPPED_UNIVERSE.index("[[symbol]]", first + 1)
    (tmp_path / "duplicate.toml").write_text(SHIPPED_UNIVERSE + "\n" + SHIPPED_UNIVERSE[first:second])
    before = content_of(tiny)
    done = ohlcv(*words)
    assert (done.code, done.out) == (2, "")
    assert says in done.err
    assert done.err.count("\n") == 1
    assert content_of(tiny) == before
    assert os.listdir(tmp_path) == ["duplicate.toml"]  # noqa: PTH208 -- names only


def test_looking_makes_nothing(ohlcv: Ohlcv, tmp_path: Path) -> None:
    """A data folder that is not there is empty, and stays so: `ohlcv` may be typed in the wrong place."""
    shown = ohlcv("--data-dir", str(tmp_path / "nowhere"), "status")
    assert (shown.code, "missing" in shown.out) == (0, True)
    assert list(tmp_path.iterdir()) == []


def test_every_settings_mistake_is_listed(ohlcv: Ohlcv) -> None:
    """Several mistakes are one message with a line each."""
    done = ohlcv("--set", "seed=x", "--set", "total_trades=0", "--set", "sed=1", "status")
    assert done.code == 2
    assert done.err.startswith("error: 3 settings cannot be used:\n")
    assert done.err.count("\n") == 4


@pytest.mark.parametrize(("given", "end"), [("sed=1", "did you mean seed?\n"), ("xyz=1", "lists what there is.\n")])
def test_one_settings_mistake_ends_with_one_mark(ohlcv: Ohlcv, given: str, end: str) -> None:
    """A question keeps its question mark and gets no full stop."""
    done = ohlcv("--set", given, "status")
    assert (done.code, done.err.endswith(end)) == (2, True)


def test_a_locked_store_is_one_sentence(ohlcv: Ohlcv, copied: Path) -> None:
    """Somebody else at work for too long is no defect and no failed check."""
    import fcntl  # noqa: PLC0415 -- not on every system

    locks = list((copied / "datasets" / "default").glob("*.lock"))
    assert locks
    with locks[0].open("r+") as lock:  # a process has one broker a file, so this file must be new to it
        fcntl.flock(lock, fcntl.LOCK_EX)
        for words in (("bars", "AAPL"), ("verify",), ("status",), ("trades", "AAPL", "--source", "store", "--json")):
            done = ohlcv("--set", "store_patience=0.2", *words)
            assert (done.code, done.out) == (2, "")
            assert done.err.count("\n") == 1


def test_purge_deletes_what_it_is_told(ohlcv: Ohlcv, copied: Path) -> None:
    """Files, the store's content, both, or the whole dataset; figures say how much."""
    lake = copied / "datasets" / "default" / "trades"
    day = ("--from", "2024-01-05", "--to", "2024-01-05", "--yes", "--json")
    files = ohlcv("purge", "files", *day).document
    assert (files["files"], files["trades"]) == (1, 0)
    assert not (lake / "date=2024-01-05").exists()
    store = ohlcv("purge", "store", *day).document
    assert store["files"] == 0
    assert store["trades"] > 0
    assert store["bars"] > 0
    shown = ohlcv("purge", "everything", "--yes")
    assert "Deleted 4 files" in shown.out
    assert "2024-01-04 to 2024-01-09 (6 days)" in shown.out
    assert ohlcv("purge", "dataset", "--yes").out == "Dataset default is deleted.\n"
    assert ohlcv("purge", "dataset", "--yes").out == "Dataset default is not there.\n"
    assert not (copied / "datasets" / "default").exists()


@pytest.mark.parametrize(("answer", "code"), [("y\n", 0), ("n\n", 2)])
def test_purge_asks_first(ohlcv: Ohlcv, copied: Path, answer: str, code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal the question comes first; no means nothing happens."""
    import io  # noqa: PLC0415 -- for this test only
    import sys  # noqa: PLC0415 -- the same

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stdin", Terminal(answer))
    done = ohlcv("purge", "files", "--from", "2024-01-05", "--to", "2024-01-05")
    assert done.code == code
    assert "Delete the day files of 2024-01-05 in dataset 'default'?" in done.err
    assert (copied / "datasets/default/trades/date=2024-01-05").exists() is (code == 2)


def test_verify_says_what_does_not_hold(ohlcv: Ohlcv, copied: Path) -> None:
    """All checks of all days; exit 1 and the reason where one fails."""
    words = ("verify", "--from", "2024-01-05", "--to", "2024-01-06")
    good = ohlcv(*words, "--sample", "3", "--exhaustive")
    assert "27/27" in good.out
    good = ohlcv(*words)
    assert (good.code, "2 of 2 days hold everything" in good.out) == (0, True)
    document = ohlcv(*words, "--json").document
    assert document["passed"]
    assert {check["asset"] for day in document["days"] for check in day["checks"]} >= {
        "trades",
        "stored_trades",
        "ohlcv_1d",
    }
    path = copied / "datasets/default/trades/date=2024-01-05/trades.parquet"
    damaged = bytearray(path.read_bytes())
    damaged[len(damaged) // 3] ^= 0xFF
    path.write_bytes(damaged)
    bad = ohlcv(*words)
    assert bad.code == 1
    assert "1 of 2 days hold everything" in bad.out
    document = ohlcv(*words, "--json").document
    assert [day["passed"] for day in document["days"]] == [False, True]


def test_the_command_line_says_json_only(tiny: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Nothing but the document reaches the real standard output, whatever libraries print."""
    assert tiny.is_dir()
    assert main(["plan", "--json"]) == 0
    assert json.loads(capfd.readouterr().out)["dataset"] == "default"
