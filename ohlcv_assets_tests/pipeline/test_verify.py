"""Days are proved without Dagster: every check of a day, and a failed one where a check could not be run."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import replace

import pyarrow as pa
import pytest

from ohlcv_assets.bars.resolutions import RESOLUTIONS
from ohlcv_assets.errors import MachineError, OutsideDatasetError
from ohlcv_assets.lake.lake import Lake
from ohlcv_assets.pipeline import parts
from ohlcv_assets.pipeline.verify import Proof, verify_day, verify_range
from ohlcv_assets.progress import Progress
from ohlcv_assets.project import Project
from ohlcv_assets.units import day_bounds
from ohlcv_assets_tests.pipeline.made import FRIDAY, SATURDAY, THURSDAY, change_bars, damage, make, planned

pytestmark = pytest.mark.integration


def by_asset(proofs: tuple[Proof, ...]) -> Mapping[str, list[Proof]]:
    """Return proofs by asset, in order."""
    found: dict[str, list[Proof]] = {}
    for proof in proofs:
        found.setdefault(proof.asset, []).append(proof)
    return found


def test_a_day_is_proved_asset_by_asset(friday: Project) -> None:
    """Three checks of the trades and of the stored ones, four of the bars of each resolution, all passed."""
    proofs = by_asset(verify_day(friday, FRIDAY))
    assert list(proofs) == ["trades", "stored_trades", "ohlcv_1m", "ohlcv_5m", "ohlcv_15m", "ohlcv_1h", "ohlcv_1d"]
    assert [len(several) for several in proofs.values()] == [3, 3, 4, 4, 4, 4, 4]
    assert all(proof.verdict.passed for several in proofs.values() for proof in several)


def test_every_trade_is_compared_where_that_is_asked_for(friday: Project) -> None:
    """It is one more check of the stored trades, told as it goes on; a trade that is gone is named."""
    seen: list[Progress] = []
    proofs = by_asset(verify_day(friday, FRIDAY, exhaustive=True, observer=seen.append))["stored_trades"]
    assert [proof.verdict.check for proof in proofs] == ["count_per_symbol", "content", "sample", "every_trade"]
    assert all(proof.verdict.passed for proof in proofs)
    last = seen[-1]
    assert (last.stage, last.subject, last.done, last.total) == (
        "compare",
        str(FRIDAY),
        planned(friday, FRIDAY),
        planned(friday, FRIDAY),
    )
    trades = next(iter(friday.trade_store.scan(*day_bounds(FRIDAY)))).slice(0, 1)
    price = pa.array([trades["price"][0].as_py() * 2])
    changed = pa.Table.from_batches([trades]).set_column(2, "price", price)
    assert friday.trade_store.append(changed) == 1
    (wrong,) = [proof for proof in verify_day(friday, FRIDAY, exhaustive=True) if proof.verdict.check == "every_trade"]
    assert (wrong.verdict.passed, wrong.verdict.different) == (False, 1)
    assert wrong.verdict.differences[0]["field"] == "price"


def test_a_changed_bar_fails_its_asset_and_the_chain_above(friday: Project) -> None:
    """All that is said of it fails, and of the bars that should be composed of it the chain; the rest stays proved."""
    change_bars(friday, RESOLUTIONS["15m"], FRIDAY, "trades", 0, 2)
    wrong = {(proof.asset, proof.verdict.check) for proof in verify_day(friday, FRIDAY) if not proof.verdict.passed}
    assert wrong == {("ohlcv_15m", name) for name in ("totals", "equality", "chain")} | {("ohlcv_1h", "chain")}


@pytest.mark.parametrize(("engine", "by"), [("client", "SQL directly"), ("duckdb", "the roll-up directly")])
def test_bars_alone_are_proved_directly_too(friday: Project, engine: str, by: str) -> None:
    """Asked for bars alone, each resolution is also compared with bars made of the trades by way of no others."""
    project = replace(friday, settings=friday.settings.model_copy(update={"bar_engine": engine}))
    proofs = by_asset(verify_day(project, FRIDAY, only="bars"))
    for name, several in proofs.items():
        assert [proof.verdict.check for proof in several] == ["totals", "invariants", "equality", "chain", "direct"]
        assert all(proof.verdict.passed for proof in several)
        assert several[-1].verdict.summary.endswith(
            f"stored {name[6:]} bars equal those that {by} makes of the day file."
        )
    change_bars(project, RESOLUTIONS["1d"], FRIDAY, "turnover", 0, 1 + 1e-9)
    (wrong,) = [
        one
        for one in verify_day(project, FRIDAY, only="bars")
        if one.verdict.check == "direct" and not one.verdict.passed
    ]
    assert (wrong.asset, wrong.verdict.differences[0]["field"]) == ("ohlcv_1d", "turnover")
    project.lake.delete(FRIDAY)
    assert [(one.asset, one.verdict.check) for one in verify_day(project, FRIDAY, only="bars")] == [
        ("ohlcv", "readable")
    ]


def test_what_cannot_be_checked_has_failed(project: Project) -> None:
    """Without a file each kind of asset says once that it cannot be read, and why."""
    proofs = verify_day(project, FRIDAY)
    assert [proof.asset for proof in proofs] == ["trades", "stored_trades", "ohlcv"]
    for proof in proofs:
        assert not proof.verdict.passed
        assert proof.verdict.check == "readable"
        assert "There is no day file for 2024-01-05" in proof.verdict.summary


def test_a_damaged_file_fails_without_stopping_the_other_days(project: Project) -> None:
    """Its checks fail in sentences, counts that need no page still run, and the next day is proved."""
    make(project, FRIDAY, SATURDAY)
    damage(project.lake.inspect(FRIDAY))
    proved = dict(verify_range(project, [FRIDAY, SATURDAY]))
    spoiled = [proof for proof in proved[FRIDAY] if not proof.verdict.passed]
    assert [(proof.asset, proof.verdict.check) for proof in spoiled] == [
        ("trades", "readable"),
        ("stored_trades", "readable"),
        ("ohlcv", "readable"),
    ]
    assert any(proof.verdict.check == "count_per_symbol" and proof.verdict.passed for proof in proved[FRIDAY])
    assert all(proof.verdict.passed for proof in proved[SATURDAY])


def test_a_file_that_the_machine_refuses_has_failed(friday: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that may not be read fails its day in a sentence, like any other trouble."""

    def refused(_lake: Lake, _day: dt.date) -> None:
        raise MachineError("Could not read the day file: permission denied.")

    monkeypatch.setattr(Lake, "inspect", refused)
    proofs = verify_day(friday, FRIDAY)
    assert {proof.verdict.summary for proof in proofs} == {"Could not read the day file: permission denied."}


def test_a_range_tells_how_far_it_is_and_keeps_nothing(project: Project) -> None:
    """Days come in order with their progress; no day stays in memory, even if nobody listens to the end."""
    make(project, THURSDAY, FRIDAY)
    seen: list[Progress] = []
    days = [day for day, _ in verify_range(project, [THURSDAY, FRIDAY], observer=seen.append)]
    assert days == [THURSDAY, FRIDAY]
    assert [(progress.done, progress.total) for progress in seen] == [(1, 2), (2, 2)]
    assert parts._kept == {}
    begun = verify_range(project, [THURSDAY, FRIDAY])
    next(begun)
    assert parts._kept
    begun.close()  # type: ignore[attr-defined]  # a generator, as every iterator of its kind
    assert parts._kept == {}


def test_a_range_with_a_foreign_day_checks_nothing(friday: Project) -> None:
    """The mistake is told before hours of work."""
    with pytest.raises(OutsideDatasetError):
        next(verify_range(friday, [FRIDAY, dt.date(2025, 1, 1)]))
