"""Files of days, made in a thread: in order, within the memory, and given up when nobody wants them any more."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pyarrow as pa
import pytest

from ohlcv_assets.stores.influxdb.bulk.making import Going, Making
from ohlcv_assets_tests.stores.made import day_number, made_day

pytestmark = pytest.mark.unit

PATIENCE = 60.0


def going(offset: int, tables: Iterator[pa.Table] | None = None, per_symbol: int = 50) -> Going:
    """Return a day on its way."""
    table = made_day(day_number(offset), per_symbol)
    return Going(day_number(offset), [table] if tables is None else tables, table.num_rows)


def until(true: Callable[[], bool]) -> None:
    """Wait until something is so."""
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_files_come_in_order() -> None:
    """A file of each day, with its day, all of its trades; a day without trades has none."""
    days = [going(0), going(1, per_symbol=0), going(2)]
    with Making(days, 10_000_000) as making:
        made = list(making)
    assert [(each.day, file.rows) for each, file in made] == [(day_number(0), 150), (day_number(2), 150)]


def test_no_file_is_begun_without_room() -> None:
    """While more waits than there is room for nothing is read; room that is given back is used."""
    begun: list[int] = []

    def told(offset: int) -> Iterator[pa.Table]:
        begun.append(offset)
        yield made_day(day_number(offset), 50)

    with Making([going(0)], 10_000_000) as alone:
        size = sum(file.size for _, file in alone)
    with Making([going(offset, told(offset)) for offset in range(5)], int(3.3 * size)) as making:
        until(lambda: making._bytes > making.room)
        assert begun == [0, 1, 2]
        files = iter(making)
        assert next(files)[0].day == day_number(0)
        assert begun == [0, 1, 2]
        making.sent(size)
        until(lambda: making._bytes > making.room)
        assert begun == [0, 1, 2, 3]
        assert [each.day for each, _ in files] == [day_number(offset) for offset in range(1, 5)]


def test_who_waits_gets_the_next_file_all_the_same() -> None:
    """A single file may be larger than the room: whoever waits for another would wait for ever."""
    with Making([going(offset) for offset in range(3)], 3) as making:
        assert sum(file.rows for _, file in making) == 450


def test_an_error_comes_where_its_file_would_have_come() -> None:
    """What was made before it is yielded first."""

    def broken() -> Iterator[pa.Table]:
        yield made_day(day_number(1), 1)
        raise ValueError("torn")

    with Making([going(0), going(1, broken())], 10_000_000) as making:
        files = iter(making)
        assert next(files)[0].day == day_number(0)
        with pytest.raises(ValueError, match="torn"):
            next(files)


def test_what_nobody_wants_is_given_up() -> None:
    """The thread ends with the context, whether or not anything was taken."""
    with Making([going(offset) for offset in range(5)], 3) as making:
        until(lambda: making._bytes > 0)
    assert not making._thread.is_alive()
    assert len(making._made) == 1
