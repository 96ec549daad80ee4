"""Memory of a process that does the same work again and again."""

from __future__ import annotations

import ctypes
import gc
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest

from ohlcv_assets.orchestration import keeping

pytestmark = pytest.mark.unit
ROOT = Path(__file__).parents[2]


def test_memory_is_kept() -> None:
    """Arrow takes it from the C library, and that one does not give it back; in a process of its own."""
    code = """
import pyarrow as pa, psutil
from ohlcv_assets.orchestration.keeping import keep_memory, keep_objects
keep_memory()
keep_objects()
resident = psutil.Process().memory_info
many = [pa.nulls(250_000, pa.int64()) for _ in range(40)]
held = resident().rss
del many
assert pa.default_memory_pool().backend_name == "system"
assert resident().rss > held - 40_000_000, (held, resident().rss)
"""
    if not hasattr(ctypes.CDLL(None), "mallopt"):
        pytest.skip("another C library")
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60, cwd=ROOT)


@pytest.mark.parametrize(
    ("room", "call"),
    [("ohlcv_assets.orchestration.keeping", "keep_objects"), ("ohlcv_assets.api.warming", "settle")],
)
def test_a_process_ends_without_a_word(room: str, call: str) -> None:
    """What was left alone is collected in the end: a library of the store would tell of leaks otherwise."""
    code = f"import duckdb; from {room} import {call}; duckdb.connect().execute('SELECT 1'); {call}()"
    done = subprocess.run([sys.executable, "-c", code], check=True, timeout=120, cwd=ROOT, capture_output=True)
    assert (done.stdout, done.stderr) == (b"", b"")


def test_what_is_there_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A C library that cannot be told is left alone too."""
    adjusted: list[tuple[int, int]] = []

    class Library:
        def mallopt(self, option: int, value: int) -> None:
            adjusted.append((option, value))

    pools: list[object] = []
    monkeypatch.setattr(pa, "set_memory_pool", pools.append)
    for library in (Library, object):
        monkeypatch.setattr(ctypes, "CDLL", lambda _name, library=library: library())
        keeping.keep_memory()
    assert [option for option, _ in adjusted] == [-1, -3]
    assert len(pools) == 2
    keeping.keep_objects()
    try:
        assert gc.get_freeze_count() > 0
    finally:
        gc.unfreeze()
