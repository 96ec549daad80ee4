"""Figures of loads side by side: medians, spread, ratios within rounds, targets."""

from __future__ import annotations

import pytest

from ohlcv_assets.bench.figures import Figure
from ohlcv_assets.bench.influx_figures import NO_INCH, best_inch, load_figures, ratio
from ohlcv_assets.bench.influx_peers import Cost

pytestmark = pytest.mark.unit


def costs(*rates: float, client: float = 0.3, server: float | None = 4.0) -> list[Cost]:
    """Return the cost of a million rows at some rates."""
    return [Cost(1_000_000, 1e6 / rate, client, server) for rate in rates]


ROUNDS = {
    "native": costs(424_000, 210_000, 415_000),
    "client": costs(400_000, 200_000, 390_000),
    "bare": costs(430_000, 215_000, 425_000, client=0.05),
    "frame": costs(80_000, 40_000, 78_000, client=11.7),
    "day": costs(380_000, 190_000, 370_000),
    "inch 5,000": costs(350_000, 170_000, 345_000, client=0.6),
    "inch 20,000": costs(400_000, 200_000, 390_000, client=0.5),
}


def by_name(**changes: list[Cost]) -> dict[str, Figure]:
    """Return the figures of the rounds above, some of them changed, by name."""
    return {f"{figure.case}: {figure.name}": figure for figure in load_figures({**ROUNDS, **changes}, "so", "")}


def test_a_ratio_is_taken_within_rounds() -> None:
    """A machine that was slow for a round does not change what is compared in it."""
    assert ratio(ROUNDS["native"], ROUNDS["inch 20,000"], lambda cost: cost.rate) == pytest.approx(1.06)
    assert best_inch(ROUNDS) == "inch 20,000"
    assert best_inch({"bare": ROUNDS["bare"]}) is None


def test_targets_are_met_exactly_where_the_ratio_is() -> None:
    """The promised multiple of a peer's rate, and the promised share of its processor time, decide."""
    met = by_name()["load: native writer, against inch"]
    assert met.value == pytest.approx(415_000)
    assert met.spread == pytest.approx((210_000, 424_000))
    assert (met.peer, met.met) == ("inch 20,000 lines a request, its best", True)
    assert met.ratio == pytest.approx(1.06)
    slower = by_name(native=costs(424_000, 209_000, 409_000))["load: native writer, against inch"]
    assert slower.ratio == pytest.approx(409 / 390)
    assert slower.met is False
    share = by_name()["load: native writer's processor time, against influxdb-client's batching"]
    assert share.met is True
    assert share.ratio == pytest.approx(39)
    assert share.target == pytest.approx(11.7 / 20)


def test_the_other_writer_and_the_whole_path_are_there() -> None:
    """The client's writer has no promise against inch; the whole path has one for its processor time."""
    found = by_name()
    assert found["load: client writer, against inch"].target is None
    assert found["whole path: a day from its file, checked and counted: processor time of the client"].met is True
    assert found["peer: inch 5,000 lines a request"].value == 345_000
    assert found["server: native writer: processor time"].value == 4.0


def test_without_inch_the_row_says_how_to_get_it() -> None:
    """No figure is made up for a peer that is not there."""
    there = {name: made for name, made in ROUNDS.items() if not name.startswith("inch")}
    found = {figure.name: figure for figure in load_figures(there, "so", "go install it")}
    row = found["native writer, against inch"]
    assert (row.peer, row.ratio, row.target) == (NO_INCH, None, None)
    assert row.method == "so; go install it"


def test_a_server_elsewhere_has_no_processor_time() -> None:
    """Nothing is said of a server that does not run on this machine."""
    far = {name: [Cost(made.rows, made.seconds, made.client, None) for made in some] for name, some in ROUNDS.items()}
    assert not [figure for figure in load_figures(far, "so", "") if figure.case == "server"]


def test_the_servers_memory_is_the_largest_that_was_seen() -> None:
    """One row for all loads: the memory is not given back between them."""
    native = [Cost(1_000_000, 2.0, 0.3, 4.0, memory) for memory in (500_000_000, 900_000_000, 700_000_000)]
    row = by_name(native=native)["server: resident memory, largest after a load"]
    assert (row.value, row.unit, row.spread) == (0.9, "GB", (0.5, 0.9))
