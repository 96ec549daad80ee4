"""InfluxQL as far as it is needed: running statements.

What belongs here: SELECT over one bucket, aggregates, windows, tag values. What does not: grammar
(``influxql_parse``), replies as text
(``influxql_written``).
"""

from __future__ import annotations

import operator
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from ohlcv_assets_tests.stores.influxdb.fake.influxql_parse import Expression, Parser, Statement
from ohlcv_assets_tests.stores.influxdb.fake.influxql_written import Results, Series, csv_of, json_of, packed_of
from ohlcv_assets_tests.stores.influxdb.fake.instants import nanos_of
from ohlcv_assets_tests.stores.influxdb.fake.organisation import Bucket
from ohlcv_assets_tests.stores.influxdb.fake.points import FIRST, LAST

Row = dict[str, Any]
"""A point: fields and tags by name, ``time`` among them; Any: values vary."""


class StatementError(Exception):
    """A statement that fails inside a reply that otherwise passes."""


@dataclass
class Points:
    """What a SELECT selects from: rows, and which of their names are tags."""

    name: str
    rows: list[Row]
    tags: set[str]
    fields: set[str]


def run(query: Mapping[str, str], find: Callable[[str], Bucket | None], names: Iterable[str], kind: str) -> bytes:
    """Run the statements of a request and return its results as ``"csv"``, ``"json"`` or ``"x-msgpack"``.

    Parameters
    ----------
    query
        What the request asks: ``q``, ``db``, ``epoch``, ``chunked``, ``chunk_size``.
    find
        Finds a bucket that may be read.
    names
        Of all buckets that may be read.
    kind
        Of the reply.

    Raises
    ------
    RefusedError
        The text cannot be parsed.
    """
    statements = Parser(query["q"]).statements()
    bucket = find(query.get("db", ""))
    results: Results = []
    for statement in statements:
        if statement.kind == "databases":
            results.append([Series("databases", {}, ["name"], [[name] for name in names])])
            continue
        try:
            results.append(_run(statement, _required(bucket, query, statement)))
        except StatementError as error:
            # What failed is not said of a later statement, and nothing after it is run.
            results.append("not executed" if results else str(error))
            break
    epoch = query.get("epoch")
    if kind == "csv":
        return csv_of(results, epoch).encode()
    if kind == "x-msgpack":
        return packed_of(results, epoch)
    size = int(query.get("chunk_size", 10_000)) if query.get("chunked") == "true" else None
    return json_of(results, epoch, size).encode()


def _required(bucket: Bucket | None, query: Mapping[str, str], statement: Statement) -> Bucket:
    """Return the bucket, or fail as the real server does where it is not there or may not be read."""
    if bucket is None:
        what = "default retention policy not set for" if statement.kind == "tag values" else "database not found"
        raise StatementError(f"{what}: {query.get('db', '')}")
    return bucket


def _run(statement: Statement, bucket: Bucket) -> list[Series]:
    return _tag_values(statement, bucket) if statement.kind == "tag values" else _select(statement, bucket)


def _tag_values(statement: Statement, bucket: Bucket) -> list[Series]:
    key = statement.by[0]
    found: dict[str, set[str]] = {}
    for measurement, tags in bucket.shelf.series:
        if statement.source in {None, measurement} and key in dict(tags):
            found.setdefault(measurement, set()).add(dict(tags)[key])
    return [
        Series(name, {}, ["key", "value"], [[key, value] for value in sorted(values)])
        for name, values in sorted(found.items())
    ]


def _points(statement: Statement, bucket: Bucket, start: int, stop: int) -> Points:
    """Return what a statement selects from, within its times."""
    if isinstance(statement.source, Statement):
        rows: list[Row] = []
        tags: set[str] = set()
        inner = replace(statement.source, by=[*statement.source.by, *statement.by])
        name = ""
        for series in _select(inner, bucket, (start, stop)):
            name = series.name
            tags |= set(series.tags)
            rows += [{**series.tags, **dict(zip(series.columns, values, strict=True))} for values in series.rows]
        fields = {name for _, name in statement.source.columns}
        return Points(name, [row for row in rows if start <= row["time"] < stop], tags, fields)
    rows, tags, fields = [], set(), set()
    for (measurement, pairs), ts, values in bucket.shelf.points(start, stop):
        if measurement == statement.source:
            rows.append({"time": ts, **dict(pairs), **values})
            tags.update(dict(pairs))
            fields.update(values)
    return Points(str(statement.source), rows, tags, fields)


def _select(statement: Statement, bucket: Bucket, outer: tuple[int, int] = (FIRST, LAST + 1)) -> list[Series]:
    start, stop = _times(statement.where)
    start, stop = max(start, outer[0]), min(stop, outer[1])
    points = _points(statement, bucket, start, stop)
    rows = [row for row in points.rows if statement.where is None or _holds(statement.where, row, points)]
    by = sorted(points.tags) if "*" in statement.by else statement.by
    groups: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(tuple(str(row.get(name, "")) for name in by), []).append(row)
    columns = _expanded(statement, points)
    called = [expression for expression, _ in columns if _calls(expression)]
    found = []
    for values, inside in sorted(groups.items()):
        inside.sort(key=lambda row: row["time"])
        lower = start if start > FIRST else 0
        made = (
            list(_aggregated(statement, columns, inside, lower, alone=len(called) == 1))
            if called
            else [
                [row["time"], *cells]
                for row in inside
                if any(row.get(name) is not None for name in _fields(columns, points))
                for cells in [[_value(expression, row) for expression, _ in columns]]
            ]
        )
        if statement.descending:
            made.reverse()
        made = made[statement.offset :][: statement.limit]
        names = ["time", *_unrepeated([name for _, name in columns])]
        if made:
            found.append(Series(points.name, dict(zip(by, values, strict=True)), names, made))
    return found


def _fields(columns: list[tuple[Expression, str]], points: Points) -> set[str]:
    """Return the fields that a selection needs at least one of."""
    return {name for expression, _ in columns for name in _names(expression)} & points.fields


def _names(expression: Expression) -> Iterator[str]:
    if expression[0] == "field":
        yield expression[1]
    for part in expression[1:]:
        if isinstance(part, tuple):
            yield from _names(part)


def _unrepeated(names: list[str]) -> list[str]:
    """Return names made unique as InfluxQL does: price, price_1."""
    seen: dict[str, int] = {}
    made = []
    for name in names:
        number = seen.get(name, 0)
        seen[name] = number + 1
        made.append(name if number == 0 else f"{name}_{number}")
    return made


def _expanded(statement: Statement, points: Points) -> list[tuple[Expression, str]]:
    """Replace ``*`` by all fields and tags."""
    found: list[tuple[Expression, str]] = []
    for expression, name in statement.columns:
        if expression == ("star",):
            names = points.fields | (points.tags if not statement.by else set())
            found += [(("field", each), each) for each in sorted(names)]
        elif expression[0] == "call" and expression[2:] == (("star",),):
            found += [(("call", expression[1], ("field", each)), f"{name}_{each}") for each in sorted(points.fields)]
        else:
            found.append((expression, name))
    return found


def _calls(expression: Expression) -> bool:
    return expression[0] == "call" or any(_calls(part) for part in expression[1:] if isinstance(part, tuple))


def _aggregated(
    statement: Statement, columns: list[tuple[Expression, str]], rows: list[Row], lower: int, *, alone: bool
) -> Iterator[list[Any]]:  # Any: values vary
    windows: dict[int, list[Row]] = {}
    for row in rows:
        windows.setdefault(row["time"] // statement.step * statement.step if statement.step else lower, []).append(row)
    for at, inside in sorted(windows.items()):
        cells = [_computed(expression, inside) for expression, _ in columns]
        values = [value for value, _ in cells]
        if all(value is None for value in values):
            continue
        own = next((moment for _, moment in cells if moment is not None), None)
        moved = alone and own is not None and not statement.step
        yield [own if moved else at, *values]


def _computed(expression: Expression, rows: list[Row]) -> tuple[Any, int | None]:
    """Return an aggregate's value and, of a selector, its instant; Any: values vary."""
    if expression[0] in {"+", "-", "*", "/"}:
        left, right = _computed(expression[1], rows)[0], _computed(expression[2], rows)[0]
        return _arithmetic(expression[0], left, right), None
    if expression[0] != "call":
        return _value(expression, rows[0]), None
    name, inner = expression[1], expression[2]
    found = [(value, row["time"]) for row in rows if (value := _value(inner, row)) is not None]
    if name not in _AGGREGATES and name not in _SELECTORS:
        raise StatementError(f"undefined function {name}()")
    if not found:
        return None, None
    if name in _AGGREGATES:
        return _AGGREGATES[name]([value for value, _ in found]), None
    return _SELECTORS[name](found)


_AGGREGATES: Final[Mapping[str, Callable[[list[Any]], Any]]] = {
    "count": len,
    "sum": sum,
    "mean": lambda values: sum(values) / len(values),
    "spread": lambda values: max(values) - min(values),
}
"""Any: values vary."""

_SELECTORS: Final[Mapping[str, Callable[[list[tuple[Any, int]]], tuple[Any, int]]]] = {
    "first": lambda found: found[0],
    "last": lambda found: found[-1],
    "min": lambda found: min(found, key=lambda pair: pair[0]),
    "max": lambda found: max(found, key=lambda pair: pair[0]),
}
"""Any: values vary."""


def _value(expression: Expression, row: Row) -> Any:  # Any: values vary
    match expression[0]:
        case "field":
            return row.get(expression[1])
        case "number" | "text" | "duration":
            return expression[1]
        case _:
            return _arithmetic(expression[0], _value(expression[1], row), _value(expression[2], row))


def _arithmetic(sign: str, left: Any, right: Any) -> Any:  # Any: values vary
    return None if left is None or right is None else _ARITHMETIC[sign](left, right)


_ARITHMETIC: Final[Mapping[str, Callable[[Any, Any], Any]]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
}
"""Any: values vary."""

_COMPARISONS: Final[Mapping[str, Callable[[Any, Any], object]]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<>": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
"""Any: values vary."""


def _is_time(expression: Any) -> bool:  # Any: parts of an expression
    return isinstance(expression, tuple) and expression == ("field", "time")


def _instant(expression: Expression) -> int:
    match expression[0]:
        case "text":
            return nanos_of(expression[1].replace(" ", "T"))
        case "now":
            return time.time_ns()
        case "number" | "duration":
            return int(expression[1])
        case sign:
            left, right = _instant(expression[1]), _instant(expression[2])
            return left + right if sign == "+" else left - right


def _times(where: Expression | None) -> tuple[int, int]:
    """Return the bounds of ``time`` that hold for a whole condition."""
    if where is None:
        return FIRST, LAST + 1
    if where[0] in {"and", "or"}:
        # InfluxQL takes all conditions on time together, whatever joins them.
        left, right = _times(where[1]), _times(where[2])
        return max(left[0], right[0]), min(left[1], right[1])
    if not _is_time(where[1]):
        return FIRST, LAST + 1
    at = _instant(where[2])
    bounds = {"=": (at, at + 1), ">": (at + 1, LAST + 1), ">=": (at, LAST + 1), "<": (FIRST, at), "<=": (FIRST, at + 1)}
    return bounds[where[0]]


def _holds(where: Expression, row: Row, points: Points) -> bool:
    sign, left, right = where
    if sign == "and":
        return _holds(left, row, points) and _holds(right, row, points)
    if sign == "or":
        return _holds(left, row, points) or _holds(right, row, points)
    if _is_time(left):
        start, stop = _times(where)
        return bool(start <= row["time"] < stop)
    value = _value(left, row)
    if left[0] == "field" and left[1] not in points.fields:
        value = value or ""  # a tag that is not there counts as empty
    if value is None:
        return False
    if sign in {"=~", "!~"}:
        found: bool = right[1].search(str(value)) is not None
        return found == bool(sign == "=~")
    return bool(_COMPARISONS[sign](value, _value(right, row)))
