"""Flux as far as it is needed: tables made of values, and values taken out of tables.

What belongs here: the packages ``array`` and ``system``, sums over the rows of a table, looking values up. What does
not: sources and what pipes do to tables otherwise (``flux_tables``).
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any, Final

from ohlcv_assets_tests.stores.influxdb.fake.flux_parse import Time
from ohlcv_assets_tests.stores.influxdb.fake.flux_tables import Arguments, Function, Row, Stream, Table
from ohlcv_assets_tests.stores.influxdb.fake.organisation import invalid


def _from(arguments: Arguments) -> Stream:
    rows: list[Row] = arguments["rows"]
    if not rows:
        raise invalid("rows must be non-empty")
    return Stream([Table({}, list(rows[0]), [dict(row) for row in rows])])


def _found(arguments: Arguments) -> Table | None:
    """Return the first table whose key passes; None where there is none."""
    passing = (table for table in arguments["tables"].tables if table.rows and arguments["fn"]({"key": table.key}))
    return next(passing, None)


def _find_column(arguments: Arguments) -> list[Any]:  # Any: values of the language
    table = _found(arguments)
    return [] if table is None else [table.value(row, arguments["column"]) for row in table.rows]


def _find_record(arguments: Arguments) -> Row:
    table = _found(arguments)
    return {} if table is None else table.whole(table.rows[arguments["idx"]])


def _reduce(arguments: Arguments) -> Stream:
    return Stream(list(_reduced(arguments)))


def _reduced(arguments: Arguments) -> Iterable[Table]:
    for table in arguments["tables"].tables:
        total: Row = arguments["identity"]
        for row in table.rows:
            total = arguments["fn"]({"r": table.whole(row), "accumulator": total})
        yield Table(table.key, [*table.key, *total], [total])


def _cumulative_sum(arguments: Arguments) -> Stream:
    return Stream([_summed(table, arguments["columns"]) for table in arguments["tables"].tables])


def _summed(table: Table, columns: list[str]) -> Table:
    totals = dict.fromkeys(columns, 0)
    rows = []
    for row in table.rows:
        totals = {name: total + table.value(row, name) for name, total in totals.items()}
        rows.append({**row, **totals})
    return Table({name: value for name, value in table.key.items() if name not in totals}, table.columns, rows)


VALUES: Final[Mapping[str, Any]] = {
    "array": {
        "from": Function("from", _from),
        "filter": Function("filter", lambda a: [one for one in a["arr"] if a["fn"]({"x": one})]),
    },
    "system": {"time": Function("time", lambda _: Time(time.time_ns()))},
    "length": Function("length", lambda a: len(a["arr"])),
    "findColumn": Function("findColumn", _find_column),
    "findRecord": Function("findRecord", _find_record),
    "reduce": Function("reduce", _reduce),
    "cumulativeSum": Function("cumulativeSum", _cumulative_sum),
}
"""By name; Any: values of the language."""
