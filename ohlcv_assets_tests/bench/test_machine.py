"""The description of the machine behind a figure."""

from __future__ import annotations

from pathlib import Path

import pytest

from ohlcv_assets.bench.machine import processor_name, this_machine

pytestmark = pytest.mark.unit


def test_a_figure_can_be_placed() -> None:
    """The line names processor, cores, Python and the packages that matter."""
    machine = this_machine()
    assert machine.cores >= 1
    assert machine.processor in machine.line()
    assert f"duckdb {machine.packages['duckdb']}" in machine.line()


def test_processor_name_comes_from_the_system(tmp_path: Path) -> None:
    """The model name is read where the system tells it, else the architecture is given."""
    cpuinfo = tmp_path / "cpuinfo"
    assert processor_name(cpuinfo)
    cpuinfo.write_text("processor : 0\nmodel name\t: Example 9000\n")
    assert processor_name(cpuinfo) == "Example 9000"
    cpuinfo.write_text("processor : 0\n")
    assert processor_name(cpuinfo)
