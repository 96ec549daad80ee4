"""Which tasks there should be, and which side moved where one differs."""

from __future__ import annotations

import pytest

from ohlcv_assets.bars.resolutions import RESOLUTIONS, STORED_RESOLUTIONS
from ohlcv_assets.errors import UserError
from ohlcv_assets.stores.influxdb.downsampling.scripts import task_script
from ohlcv_assets.stores.influxdb.tasks.definitions import (
    Drift,
    Task,
    Wanted,
    drift_of,
    mark_of,
    require_names,
    wanted_tasks,
)
from ohlcv_assets_tests.stores.influxdb.fresh import layout

pytestmark = pytest.mark.unit


def test_a_task_for_each_stored_resolution() -> None:
    """They are named by bucket and resolution, run the generated script, and come in the order of the chain."""
    found = wanted_tasks(layout("btc"))
    assert [task.name for task in found] == [f"ohlcv btc_trades {one.name}" for one in STORED_RESOLUTIONS]
    for task in found:
        assert task.script == task_script(task.resolution, layout("btc"), task.name)
        assert mark_of(task.script) in task.description
    assert len({mark_of(task.script) for task in found}) == len(found)


def test_a_choice_comes_in_the_order_of_the_chain() -> None:
    """Whatever order they are asked for in."""
    found = wanted_tasks(layout(), require_names(["1d", "1m"]))
    assert [task.resolution.name for task in found] == ["1m", "1d"]
    assert require_names([]) == STORED_RESOLUTIONS


def test_derived_resolutions_have_no_task() -> None:
    """They are refused, with those to choose of."""
    with pytest.raises(UserError, match="no task of '30m'; choose of 1m, 5m, 15m, 1h, 1d"):
        require_names(["1m", "30m"])
    with pytest.raises(UserError, match="stored nowhere"):
        wanted_tasks(layout(), [RESOLUTIONS["1W"]])


@pytest.mark.parametrize(
    ("installed", "there", "drift"),
    [
        ("now", "now", None),
        ("before", "now", None),
        ("now", "other", "edited"),
        ("before", "before", "outdated"),
        ("before", "other", "edited and outdated"),
        (None, "other", "unmarked"),
        (None, "now", None),
    ],
)
def test_which_side_moved(installed: str | None, there: str, drift: Drift | None) -> None:
    """The mark of what was installed, the server's script and ours say who changed the script."""
    wanted = Wanted("t", RESOLUTIONS["1m"], "now")
    description = "by hand" if installed is None else Wanted("t", RESOLUTIONS["1m"], installed).description
    assert drift_of(wanted, Task("1", "t", description, there, active=True, owner="2")) == drift
