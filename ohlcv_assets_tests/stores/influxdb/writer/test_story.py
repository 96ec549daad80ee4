"""What happened during a write, as figures."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ohlcv_assets.stores.influxdb.writer.plan import LoadPlan
from ohlcv_assets.stores.influxdb.writer.story import Latencies, Meter, WriteStory

pytestmark = pytest.mark.unit


@given(st.lists(st.floats(1e-4, 600), min_size=1, max_size=200), st.floats(0.01, 1))
@settings(deadline=None, max_examples=40)
def test_percentiles_are_right_to_two_per_cent(seconds: list[float], share: float) -> None:
    """A percentile from the classes is the exact one or up to 2 % above it, and never above the largest."""
    latencies = Latencies()
    for value in seconds:
        latencies.add(value)
    exact = float(np.quantile(seconds, share, method="inverted_cdf"))
    assert exact * 0.999_999 <= latencies.percentile(share) <= min(exact * 1.021, max(seconds))


def test_nothing_has_no_percentile() -> None:
    """Without a request every latency is zero, and a latency of zero is one too."""
    latencies = Latencies()
    assert (latencies.percentile(0.5), latencies.largest) == (0.0, 0.0)
    latencies.add(0.0)
    assert latencies.percentile(0.5) == 0.0


def test_what_the_meter_counts() -> None:
    """Requests, repetitions, bytes as sent and named events come out under the story's names."""
    meter = Meter()
    meter.sent(100, again=False)
    meter.sent(100, again=True)
    meter.acknowledged(0.5)
    meter.count("overloads")
    figures = meter.figures()
    assert {"requests": 2, "retries": 1, "network_bytes": 200, "overloads": 1, "splits": 0}.items() <= figures.items()
    assert (figures["latency_p50"], figures["latency_max"]) == (0.5, 0.5)


def test_details_are_plain_numbers() -> None:
    """Figures that are known go into reports as numbers, those that are not are left out."""
    detail = WriteStory(rows=100, seconds=0.5, server_memory=7).detail()
    assert (detail["rows_per_second"], detail["server_memory"]) == (200.0, 7)
    assert "server_cpu_seconds" not in detail
    assert all(isinstance(value, int | float) for value in detail.values())
    assert WriteStory().detail()["rows_per_second"] == 0.0


@pytest.mark.parametrize(
    "wrong",
    [
        {"connections": 0},
        {"memory": 0},
        {"timeout": 0.0},
        {"deadline": -1.0},
        {"batch_lines": 0},
        {"rows_per_second": 0},
    ],
)
def test_impossible_plans_are_refused(wrong: dict[str, int]) -> None:
    """A figure that nothing could be done with is refused where it is made."""
    with pytest.raises(ValueError, match="above zero"):
        LoadPlan(**wrong)  # type: ignore[arg-type] # several types in one table
    assert LoadPlan(rows_per_second=1).connections == 4
