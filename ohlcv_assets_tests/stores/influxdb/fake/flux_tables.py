"""Flux as far as it is needed: sources, and what pipes do to tables.

What belongs here: the functions of the standard library that this project sends. What does not: the language
(``flux``).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from ohlcv_assets_tests.stores.influxdb.fake.flux_parse import Duration, Time
from ohlcv_assets_tests.stores.influxdb.fake.instants import nanos_of
from ohlcv_assets_tests.stores.influxdb.fake.organisation import Bucket, invalid, not_found
from ohlcv_assets_tests.stores.influxdb.fake.points import Point

Find = Callable[[str], Bucket | None]
Row = dict[str, Any]
Arguments = dict[str, Any]
"""Values by name; Any: values of the language."""


@dataclass(frozen=True)
class Function:
    """Something that can be called; ``members`` are what it looks at of a row."""

    name: str
    body: Callable[[Arguments], Any]
    members: frozenset[str] = frozenset()

    def __call__(self, arguments: Arguments) -> Any:
        """Call it; Any: values of the language."""
        return self.body(arguments)


@dataclass
class Table:
    """Rows that share a group key; the key's columns are kept once."""

    key: Row
    columns: list[str]
    rows: list[Row]
    droppable: bool = True

    def value(self, row: Row, column: str) -> Any:
        """Return a row's value in any column; Any: values of the language."""
        return row.get(column, self.key.get(column))

    def whole(self, row: Row) -> Row:
        """Return a row with the key's columns."""
        return {**self.key, **row}


@dataclass(eq=False)
class Stream:
    """Tables on their way through pipes; a source that has no range yet has a bucket instead."""

    tables: list[Table] = field(default_factory=list)
    bucket: Bucket | None = None


def source(find: Find, arguments: Arguments) -> Stream:
    """``from(bucket:)``."""
    name = arguments["bucket"]
    bucket = find(name)
    if bucket is None:
        raise not_found(f'failed to initialize execute state: could not find bucket "{name}"')
    return Stream(bucket=bucket)


def _instant(value: Any) -> int:
    """Return a bound of a range, durations counted from now; Any: values of the language."""
    if isinstance(value, Duration):
        return time.time_ns() + value
    return nanos_of(value) if isinstance(value, str) else int(value)


def _range(arguments: Arguments) -> Stream:
    bucket = arguments["tables"].bucket
    start, stop = _instant(arguments["start"]), _instant(arguments.get("stop", Duration(0)))
    if start >= stop:
        raise invalid("invalid: error in building plan while starting program: cannot query an empty range")
    found: dict[tuple[object, str], Table] = {}
    for (measurement, tags), ts, fields in bucket.shelf.points(start, stop):
        for name in sorted(fields):
            table = found.get(((measurement, tags), name))
            if table is None:
                key = {"_start": Time(start), "_stop": Time(stop), "_field": name, "_measurement": measurement}
                columns = ["_start", "_stop", "_time", "_value", "_field", "_measurement", *dict(tags)]
                table = found[(measurement, tags), name] = Table({**key, **dict(tags)}, columns, [])
            table.rows.append({"_time": Time(ts), "_value": fields[name]})
    return Stream(list(found.values()))


def _each(change: Callable[[Table, Arguments], Iterable[Table]]) -> Callable[[Arguments], Stream]:
    """Return a function that makes tables of each table."""
    return lambda arguments: Stream([made for table in arguments["tables"].tables for made in change(table, arguments)])


def _filter(table: Table, arguments: Arguments) -> Iterable[Table]:
    test: Function = arguments["fn"]
    if test.members <= set(table.key):
        rows = table.rows if test({"r": table.key}) else []
    else:
        rows = [row for row in table.rows if test({"r": table.whole(row)})]
    return [Table(table.key, table.columns, rows)] if rows else []


def _aggregate(compute: Callable[[list[Any]], Any]) -> Callable[[Arguments], Stream]:
    """Return a function that leaves one value of each table; Any: values of the language."""

    def change(table: Table, arguments: Arguments) -> Iterable[Table]:
        column = arguments.get("column", "_value")
        if column not in table.columns:
            raise invalid(f'column "{column}" does not exist')
        values = [value for row in table.rows if (value := table.value(row, column)) is not None]
        if not values:
            return []
        columns = [name for name in table.columns if name in table.key and name != column]
        position = min(2, len(columns))
        columns.insert(position, column)
        return [Table(table.key, columns, [{column: compute(values)}])]

    return _each(change)


def _selector(pick: Callable[[list[Row], str], Row]) -> Callable[[Arguments], Stream]:
    """Return a function that leaves one row of each table."""

    def change(table: Table, arguments: Arguments) -> Iterable[Table]:
        return [Table(table.key, table.columns, [pick(table.rows, arguments.get("column", "_value"))])]

    return _each(change)


def _smallest(rows: list[Row], column: str) -> Row:
    return min(rows, key=lambda row: row[column])


def _largest(rows: list[Row], column: str) -> Row:
    return max(rows, key=lambda row: row[column])


def _windows(table: Table, every: int) -> dict[int, list[Row]]:
    found: dict[int, list[Row]] = {}
    for row in table.rows:
        found.setdefault(row["_time"] // every * every, []).append(row)
    return found


def _bounds(table: Table, start: int, every: int) -> tuple[Time, Time]:
    """Return a window's bounds, cut to the range's, where the table still knows it."""
    first, last = table.key.get("_start", start), table.key.get("_stop", start + every)
    return Time(max(start, first)), Time(min(start + every, last))


def _window(table: Table, arguments: Arguments) -> Iterable[Table]:
    every = int(arguments["every"])
    for start, rows in sorted(_windows(table, every).items()):
        first, last = _bounds(table, start, every)
        yield Table({**table.key, "_start": first, "_stop": last}, table.columns, rows)


def _aggregate_window(table: Table, arguments: Arguments) -> Iterable[Table]:
    if arguments.get("createEmpty", True):
        raise invalid("the fake knows createEmpty: false only")
    every = int(arguments["every"])
    rows = []
    for start, inside in sorted(_windows(table, every).items()):
        bounds = dict(zip(("_start", "_stop"), _bounds(table, start, every), strict=True))
        part = Stream([Table(table.key, table.columns, inside)])
        (made,) = arguments["fn"]({"tables": part, "column": arguments.get("column", "_value")}).tables
        rows.append({"_value": made.rows[0]["_value"], "_time": bounds[arguments.get("timeSrc", "_stop")]})
    first = ["_start", "_stop", "_time", "_value"]
    columns = [*first, *(name for name in table.columns if name not in first)]
    return [Table(table.key, columns, rows)] if rows else []


def _group(arguments: Arguments) -> Stream:
    wanted = arguments.get("columns", [])
    outside = arguments.get("mode", "by") == "except"
    found: dict[tuple[Any, ...], Table] = {}  # Any: values of the language
    for table in arguments["tables"].tables:
        by = [name for name in table.columns if (name in wanted) != outside]
        for row in table.rows:
            whole = table.whole(row)
            key = {name: whole[name] for name in by if whole.get(name) is not None}
            identity = tuple(sorted((name, str(value)) for name, value in key.items()))
            made = found.setdefault(identity, Table(key, [], []))
            made.columns += [name for name in table.columns if name not in made.columns]
            made.rows.append({name: whole.get(name) for name in table.columns if name not in key})
    return Stream([found[identity] for identity in sorted(found)])


def _without(stream: Stream, keeps: Callable[[str], bool]) -> Stream:
    """Drop columns; tables whose keys become equal become one."""
    found: dict[tuple[Any, ...], Table] = {}  # Any: values of the language
    for table in stream.tables:
        key = {name: value for name, value in table.key.items() if keeps(name)}
        rows = [{name: value for name, value in row.items() if keeps(name)} for row in table.rows]
        columns = [name for name in table.columns if keeps(name)]
        identity = tuple(sorted((name, str(value)) for name, value in key.items()))
        made = found.setdefault(identity, Table(key, columns, []))
        made.rows += rows
    return Stream(list(found.values()))


def _keep(arguments: Arguments) -> Stream:
    return _without(arguments["tables"], lambda name: name in arguments["columns"])


def _drop(arguments: Arguments) -> Stream:
    return _without(arguments["tables"], lambda name: name not in arguments["columns"])


def _rename(table: Table, arguments: Arguments) -> Iterable[Table]:
    names: Mapping[str, str] = arguments["columns"]
    columns = [names.get(name, name) for name in table.columns]
    rows = [{names.get(name, name): value for name, value in row.items()} for row in table.rows]
    return [Table({names.get(name, name): value for name, value in table.key.items()}, columns, rows)]


def _set(table: Table, arguments: Arguments) -> Iterable[Table]:
    name, value = arguments["key"], arguments["value"]
    columns = table.columns if name in table.columns else [*table.columns, name]
    if name in table.key:
        return [Table({**table.key, name: value}, columns, table.rows)]
    return [Table(table.key, columns, [{**row, name: value} for row in table.rows])]


def _map(table: Table, arguments: Arguments) -> Iterable[Table]:
    rows = [arguments["fn"]({"r": table.whole(row)}) for row in table.rows]
    columns = list(dict.fromkeys(name for row in rows for name in row))
    key = {name: value for name, value in table.key.items() if all(row.get(name) == value for row in rows)}
    return [Table(key, columns, [{k: v for k, v in row.items() if k not in key} for row in rows])]


def _sort(table: Table, arguments: Arguments) -> Iterable[Table]:
    columns = arguments.get("columns", ["_value"])
    rows = sorted(
        table.rows,
        key=lambda row: [table.value(row, name) for name in columns],
        reverse=arguments.get("desc", False),
    )
    return [Table(table.key, table.columns, rows)]


def _limit(table: Table, arguments: Arguments) -> Iterable[Table]:
    first = arguments.get("offset", 0)
    return [Table(table.key, table.columns, table.rows[first : first + arguments["n"]])]


def _distinct(table: Table, arguments: Arguments) -> Iterable[Table]:
    column = arguments.get("column", "_value")
    values = dict.fromkeys(table.value(row, column) for row in table.rows)
    key = {name: value for name, value in table.key.items() if name != "_value"}
    return [Table(key, [*key, "_value"], [{"_value": value} for value in values])]


def _pivot(arguments: Arguments) -> Stream:
    by, names, value = arguments["rowKey"], arguments["columnKey"], arguments["valueColumn"]
    found: dict[tuple[Any, ...], tuple[Table, dict[tuple[Any, ...], Row]]] = {}  # Any: values of the language
    for table in arguments["tables"].tables:
        key = {name: held for name, held in table.key.items() if name not in {*names, value}}
        identity = tuple(sorted((name, str(held)) for name, held in key.items()))
        kept = [name for name in table.columns if name in key or name in by]
        made, rows = found.setdefault(identity, (Table(key, kept, []), {}))
        for row in table.rows:
            at = tuple(table.value(row, name) for name in by)
            column = "_".join(str(table.value(row, name)) for name in names)
            if column not in made.columns:
                made.columns.append(column)
            plain = {name: held for name, held in zip(by, at, strict=True) if name not in key}
            rows.setdefault(at, plain)[column] = table.value(row, value)
    for made, rows in found.values():
        made.rows = [rows[at] for at in sorted(rows)]
    return Stream([made for made, _ in found.values()])


def _union(arguments: Arguments) -> Stream:
    return Stream([table for stream in arguments["tables"] for table in stream.tables])


def _truncate(table: Table, arguments: Arguments) -> Iterable[Table]:
    unit = int(arguments["unit"])
    return [
        Table(table.key, table.columns, [{**row, "_time": Time(row["_time"] // unit * unit)} for row in table.rows])
    ]


def to(find: Find) -> Callable[[Arguments], Stream]:
    """Return ``to(bucket:)``: columns of text are tags but those that begin with an underscore, or those named."""

    def write(arguments: Arguments) -> Stream:
        bucket = source(find, arguments).bucket
        assert bucket is not None
        for table in arguments["tables"].tables:
            bucket.shelf.write([_point(table.whole(row), arguments) for row in table.rows])
        return Stream(arguments["tables"].tables)

    return write


def _point(row: Row, arguments: Arguments) -> Point:
    texts = [name for name, value in row.items() if isinstance(value, str) and not name.startswith("_")]
    key = (row["_measurement"], tuple(sorted((name, row[name]) for name in arguments.get("tagColumns", texts))))
    made = arguments.get("fieldFn")
    return key, {row["_field"]: row["_value"]} if made is None else made({"r": row}), int(row["_time"])


def schema(find: Find) -> dict[str, Callable[[Arguments], Stream]]:
    """Return what the package ``schema`` offers."""

    def tag_values(arguments: Arguments) -> Stream:
        tables = _range(
            {
                "tables": source(find, arguments),
                "start": arguments.get("start", -(2**63) + 2),
                "stop": arguments.get("stop", 2**63 - 1),
            }
        ).tables
        if "predicate" in arguments:
            tables = [made for table in tables for made in _filter(table, {"fn": arguments["predicate"]})]
        if "measurement" in arguments:
            tables = [table for table in tables if table.key["_measurement"] == arguments["measurement"]]
        values = sorted({table.key[arguments["tag"]] for table in tables if arguments["tag"] in table.key})
        return Stream([Table({}, ["_value"], [{"_value": value} for value in values])] if values else [])

    return {"tagValues": tag_values, "measurementTagValues": tag_values}


FUNCTIONS: Final[Mapping[str, Callable[[Arguments], Any]]] = {
    "range": _range,
    "filter": _each(_filter),
    "count": _aggregate(len),
    "sum": _aggregate(sum),
    "mean": _aggregate(lambda values: sum(values) / len(values)),
    "min": _selector(_smallest),
    "max": _selector(_largest),
    "first": _selector(lambda rows, _: rows[0]),
    "last": _selector(lambda rows, _: rows[-1]),
    "window": _each(_window),
    "aggregateWindow": _each(_aggregate_window),
    "group": _group,
    "keep": _keep,
    "drop": _drop,
    "rename": _each(_rename),
    "set": _each(_set),
    "map": _each(_map),
    "sort": _each(_sort),
    "limit": _each(_limit),
    "distinct": _each(_distinct),
    "pivot": _pivot,
    "union": _union,
    "truncateTimeColumn": _each(_truncate),
}
"""The functions by name; Any: they return values of the language."""
