"""Metrics of a backfill, as Prometheus reads them."""

from __future__ import annotations

import socket
import urllib.request

import pytest
from prometheus_client.parser import text_string_to_metric_families

from ohlcv_assets.errors import MachineError
from ohlcv_assets.exporter import LOOPBACK, exporting
from ohlcv_assets.progress import Observer, Progress, everybody

pytestmark = pytest.mark.integration
DAY = "2024-03-15"


def load(done: int, subject: str = DAY, unit: str = "trades", **detail: float | str) -> Progress:
    """Return an event of a load."""
    return Progress("load", subject, done, 1_000, unit, detail)


def ended(state: str = "made", subject: str = DAY) -> Progress:
    """Return the event of a day's end."""
    failed = int(state == "failed")
    figures: dict[str, float | int | str] = {
        "state": state,
        "seconds": 1.5,
        "trades": 1_000,
        "checks_passed": 21 - failed,
        "checks_failed": failed,
    }
    return Progress("day", subject, 1, 1, "days", figures)


def scraped(address: str) -> dict[str, float]:
    """Read a page as Prometheus does: every sample by its name and labels."""
    with urllib.request.urlopen(address, timeout=10) as reply:  # noqa: S310 -- the tests' own server
        text = reply.read().decode()
    return {
        sample.name + "".join(f" {value}" for _, value in sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_counters_grow_by_what_is_new() -> None:
    """A load tells totals; each event adds its difference, a load that begins anew adds from zero."""
    with exporting(0) as (exporter, address):
        exporter(load(400, retries=1, bytes=4_000.0, breaker_openings=0, in_flight=4, latency_p99=0.25))
        exporter(load(900, retries=3, bytes=9_000.0, breaker_openings=1, in_flight=3, latency_p99=0.5, store="x"))
        exporter(load(100, "2024-03-16", retries=0, bytes=1_000.0, in_flight=2, peak_memory=7.0, latency_p50=0.125))
        found = scraped(address)
        assert found["ohlcv_load_rows_total"] == 1_000
        assert found["ohlcv_load_retries_total"] == 3
        assert found["ohlcv_load_bytes_total"] == 10_000
        assert found["ohlcv_load_breaker_openings_total"] == 1
        assert found["ohlcv_load_in_flight"] == 5
        assert found["ohlcv_load_peak_memory_bytes"] == 7
        assert found["ohlcv_load_latency_seconds 0.99"] == 0.5
        assert found["ohlcv_load_latency_seconds 0.5"] == 0.125
        exporter(load(50, bytes=500.0))
        exporter(load(10, unit="bars", bytes=5.0))
        found = scraped(address)
        assert found["ohlcv_load_rows_total"] == 1_060
        assert found["ohlcv_load_bytes_total"] == 10_505


def test_days_and_the_backfill_are_told() -> None:
    """What became of days, their checks and their time; how the backfill stands; nothing stays in flight."""
    with exporting(0) as (exporter, address):
        exporter(load(400, in_flight=4))
        exporter(ended())
        exporter(load(400, "2024-03-16", in_flight=2))
        exporter(ended("failed", "2024-03-16"))
        exporter(Progress("generate", DAY, 1, 2, "trades"))
        exporter(Progress("backfill", "days", 2, 366, "days", {"seconds_left": 12.5, "last_failure": "x"}))
        found = scraped(address)
    assert (found["ohlcv_days_total made"], found["ohlcv_days_total failed"]) == (1, 1)
    assert (found["ohlcv_checks_total passed"], found["ohlcv_checks_total failed"]) == (41, 1)
    assert found["ohlcv_day_seconds_count"] == 2
    assert found["ohlcv_day_seconds_bucket 2.0"] == 2
    assert found["ohlcv_load_in_flight"] == 0
    assert (found["ohlcv_backfill_days_asked"], found["ohlcv_backfill_days_done"]) == (366, 2)
    assert found["ohlcv_backfill_seconds_left"] == 12.5
    assert not [name for name in found if name.endswith("_created")]


def chunk(resolution: str, state: str, made: int, seconds: float) -> Progress:
    """Return the event of a chunk's end, or of its becoming stale."""
    figures: dict[str, float | int | str] = {"resolution": resolution, "state": state, "seconds": seconds}
    return Progress("chunk", f"{DAY} {resolution}", made, made, "bars", figures)


def test_bars_are_counted_by_resolution() -> None:
    """Chunks by what became of them, bars made and the time that took; what became stale took none."""
    with exporting(0) as (exporter, address):
        exporter(chunk("1m", "stale", 0, 9.0))
        exporter(chunk("1m", "done", 390, 1.5))
        exporter(chunk("1m", "failed", 0, 0.5))
        exporter(chunk("1d", "done", 1, 0.25))
        found = scraped(address)
    assert {name: value for name, value in found.items() if name.startswith("ohlcv_bar_chunks_total")} == {
        "ohlcv_bar_chunks_total 1m stale": 1,
        "ohlcv_bar_chunks_total 1m done": 1,
        "ohlcv_bar_chunks_total 1m failed": 1,
        "ohlcv_bar_chunks_total 1d done": 1,
    }
    assert (found["ohlcv_bars_total 1m"], found["ohlcv_bars_total 1d"]) == (390, 1)
    assert (found["ohlcv_bar_chunk_seconds_total 1m"], found["ohlcv_bar_chunk_seconds_total 1d"]) == (2, 0.25)


def test_healing_and_how_days_stand_are_told() -> None:
    """The watermark's lag and the days of each standing, and how far the healing is; the latest counts."""
    days: dict[str, float | int | str] = {"missing": 2, "stale": 1, "waiting": 3, "lag_seconds": 259_200.0}
    with exporting(0) as (exporter, address):
        exporter(Progress("standing", "5m", 360, 366, "days", days))
        exporter(Progress("heal", "bars", 1, 4, "chunks", {"seconds_left": 7.5, "last": "2024-03-15 1m"}))
        found = scraped(address)
        exporter(Progress("standing", "5m", 363, 366, "days", {**days, "missing": 0, "stale": 0, "lag_seconds": 0.0}))
        later = scraped(address)
    stood = [found[f"ohlcv_bar_days 5m {name}"] for name in ("complete", "missing", "stale", "waiting")]
    assert stood == [360, 2, 1, 3]
    assert found["ohlcv_bar_lag_seconds 5m"] == 259_200
    assert (found["ohlcv_heal_chunks_asked"], found["ohlcv_heal_chunks_done"]) == (4, 1)
    assert found["ohlcv_heal_seconds_left"] == 7.5
    assert (later["ohlcv_bar_days 5m complete"], later["ohlcv_bar_lag_seconds 5m"]) == (363, 0)


def test_several_may_watch_a_load() -> None:
    """Each of any number of observers is told everything."""
    seen: list[Progress] = []
    with exporting(0) as (one, first), exporting(0) as (two, second):
        together: Observer = everybody(one, two, seen.append)
        together(load(400))
        assert scraped(first)["ohlcv_load_rows_total"] == scraped(second)["ohlcv_load_rows_total"] == 400
    assert len(seen) == 1


def test_a_port_that_is_taken_is_one_sentence() -> None:
    """Nothing is begun behind a port that another program has; the page is this machine's alone."""
    with socket.socket() as taken:
        taken.bind((LOOPBACK, 0))
        taken.listen()
        port = taken.getsockname()[1]
        with (
            pytest.raises(MachineError, match=rf"cannot be shown at 127\.0\.0\.1:{port} .*choose another"),
            exporting(port),
        ):
            raise AssertionError
    with exporting(0) as (_, address):
        assert address.startswith(f"http://{LOOPBACK}:")
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(address, timeout=1)  # noqa: S310 -- the tests' own server
