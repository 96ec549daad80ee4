"""Flux as far as it is needed: running a tree and writing annotated CSV.

What belongs here: expressions, results, CSV. What does not: grammar (``flux_parse``), what pipes do to tables
(``flux_tables``).
"""

from __future__ import annotations

import csv
import io
import operator
import time
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final

from ohlcv_assets_tests.stores.influxdb.fake import flux_tables
from ohlcv_assets_tests.stores.influxdb.fake.flux_parse import Duration, Node, Parser, Time
from ohlcv_assets_tests.stores.influxdb.fake.flux_tables import Find, Function, Stream, Table
from ohlcv_assets_tests.stores.influxdb.fake.flux_values import VALUES
from ohlcv_assets_tests.stores.influxdb.fake.instants import float_text, nanos_of, text_of
from ohlcv_assets_tests.stores.influxdb.fake.organisation import invalid

Names = dict[str, Any]
"""What names stand for; Any: values of the language."""

Parts = tuple[Any, ...]
"""The parts of a node; Any: they vary by kind."""

_COMPARISONS: Final[Mapping[str, Callable[[Any, Any], object]]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
"""Any: values of the language."""

_BINARY: Final[Mapping[str, Callable[[Any, Any], Any]]] = {
    **_COMPARISONS,
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "%": operator.mod,
    "/": lambda left, right: left // right if isinstance(left, int) and isinstance(right, int) else left / right,
}
"""Any: values of the language."""

_TYPES: Final = {Time: "dateTime:RFC3339", float: "double", bool: "boolean", int: "long", str: "string"}


def run(text: str, find: Find, *, annotations: bool, now: int | None = None) -> bytes:
    """Run a script and return its results as CSV; it is ``now`` to it, or what the clock says.

    Raises
    ------
    RefusedError
        It does not compile, or asks for what is not there.
    """
    results: dict[str, Stream] = {}
    moment = Time(time.time_ns() if now is None else now)
    names: Names = {"true": True, "false": False, "now": lambda _: moment, **_constants(), **_made(find), **VALUES}
    names["yield"] = Function(
        "yield", lambda arguments: results.setdefault(arguments.get("name", "_result"), arguments["tables"])
    )
    try:
        for statement in _program(text):
            value = _state(statement, names)
            if statement.kind == "value" and isinstance(value, Stream) and value not in results.values():
                results["_result"] = value
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise invalid(f"compilation failed: {type(error).__name__} {error}") from error
    return "".join(_written(name, stream, annotations=annotations) for name, stream in results.items()).encode()


@lru_cache(maxsize=64)
def _program(text: str) -> list[Node]:
    """Return the statements of a script; tasks run the same one again and again."""
    return Parser(text).program()


def _constants() -> Names:
    return {
        "int": lambda a: int(a["v"]),
        "float": lambda a: float(a["v"]),
        "string": lambda a: _text(a["v"]),
        "time": lambda a: Time(nanos_of(a["v"]) if isinstance(a["v"], str) else a["v"]),
        "duration": lambda a: Duration(a["v"]),
        "contains": lambda a: a["value"] in a["set"],
        "inf": Duration(2**63 - 1),
    }


def _made(find: Find) -> Names:
    """Return everything that makes or takes tables."""
    functions = {name: Function(name, made) for name, made in flux_tables.FUNCTIONS.items()}
    source = Function("from", lambda arguments: flux_tables.source(find, arguments))
    schema = {name: Function(name, made) for name, made in flux_tables.schema(find).items()}
    sink = Function("to", flux_tables.to(find))
    return {**functions, "from": source, "to": sink, "schema": schema, "v1": schema}


def _state(statement: Node, names: Names) -> object:
    if statement.kind == "assign":
        names[statement.parts[0]] = _evaluate(statement.parts[1], names)
        return None
    return _evaluate(statement.parts[0], names)


def _evaluate(node: Node, names: Names) -> Any:  # Any: values of the language
    return _MEANINGS[node.kind](node.parts, names)


def _name(parts: Parts, names: Names) -> Any:  # Any: values of the language
    if parts[0] not in names:
        raise invalid(f"compilation failed: undefined identifier {parts[0]}")
    return names[parts[0]]


def _record(parts: Parts, names: Names) -> Names:
    base = _evaluate(parts[0], names) if parts[0] is not None else {}
    return {**base, **{name: _evaluate(part, names) for name, part in parts[1].items()}}


def _minus(parts: Parts, names: Names) -> Any:  # Any: values of the language
    value = _evaluate(parts[0], names)
    return type(value)(-value)


def _match(parts: Parts, names: Names) -> bool:
    sign, left, pattern = parts
    text = _evaluate(left, names)
    return text is not None and (pattern.search(text) is not None) == (sign == "=~")


def _binary(parts: Parts, names: Names) -> Any:  # Any: values of the language
    sign, first, second = parts
    left = _evaluate(first, names)
    if sign in {"and", "or"}:
        return bool(_evaluate(second, names)) if bool(left) == (sign == "and") else bool(left)
    right = _evaluate(second, names)
    if left is None or right is None:
        return False if sign in _COMPARISONS else None
    value = _BINARY[sign](left, right)
    return Time(value) if isinstance(left, Time) and sign in {"+", "-"} else value


def _function(parts: Parts, names: Names) -> Function:
    parameters, body = parts

    def call(arguments: Names) -> Any:  # Any: values of the language
        inner = dict(names)
        for name, default in parameters.items():
            if default is not None and default.kind == "piped":
                inner[name] = arguments["tables"]
            elif name in arguments:
                inner[name] = arguments[name]
            elif default is not None:
                inner[name] = _evaluate(default, names)
        value = None
        for statement in body:
            value = _state(statement, inner)
        return value

    return Function("", call, frozenset(_members(parts)))


def _members(held: object) -> set[str]:
    """Return the names of all members that a function looks at."""
    if isinstance(held, Node):
        return _members(held.parts) | ({held.parts[1]} if held.kind == "member" else set())
    inner = held.values() if isinstance(held, dict) else held if isinstance(held, list | tuple) else ()
    return {name for part in inner for name in _members(part)}


def _call(parts: Parts, names: Names, piped: Names | None = None) -> Any:  # Any: values of the language
    called = _evaluate(parts[0], names)
    arguments = {name: _evaluate(part, names) for name, part in parts[1].items()}
    return called({**(piped or {}), **arguments})


_MEANINGS: Final[Mapping[str, Callable[[Parts, Names], Any]]] = {
    "literal": lambda parts, _: parts[0],
    "name": _name,
    "member": lambda parts, names: _evaluate(parts[0], names).get(parts[1]),
    "array": lambda parts, names: [_evaluate(part, names) for part in parts],
    "record": _record,
    "function": _function,
    "index": lambda parts, names: _evaluate(parts[0], names)[_evaluate(parts[1], names)],
    "call": _call,
    "pipe": lambda parts, names: _call(parts[1].parts, names, {"tables": _evaluate(parts[0], names)}),
    "if": lambda parts, names: _evaluate(parts[1] if _evaluate(parts[0], names) else parts[2], names),
    "not": lambda parts, names: not _evaluate(parts[0], names),
    "exists": lambda parts, names: _evaluate(parts[0], names) is not None,
    "minus": _minus,
    "match": _match,
    "binary": _binary,
}
"""Any: values of the language."""


def _written(name: str, stream: Stream, *, annotations: bool) -> str:
    """Return one result; a change of columns or types starts a new header, as the server's encoder does."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    before: list[tuple[str, str]] | None = None
    for number, table in enumerate(table for table in stream.tables if table.rows or not table.droppable):
        columns = _columns(table)
        if columns != before:
            if before is not None:
                out.write("\r\n")
            _head(writer, name, columns, table, annotations=annotations)
            before = columns
        shown = "" if annotations else name
        for row in table.rows:
            writer.writerow(["", shown, number, *(_text(table.value(row, column)) for column, _ in columns)])
    if before is not None:
        out.write("\r\n")
    return out.getvalue()


def _columns(table: Table) -> list[tuple[str, str]]:
    """Return the columns with their types."""
    found = []
    for column in table.columns:
        values = (table.value(row, column) for row in table.rows)
        first = next((value for value in values if value is not None), "")
        found.append((column, _TYPES[type(first)]))
    return found


def _head(writer: Any, name: str, columns: list[tuple[str, str]], table: Table, *, annotations: bool) -> None:
    """Write a header; Any: the csv module does not name its writer's type."""
    if annotations:
        writer.writerow(["#datatype", "string", "long", *(kind for _, kind in columns)])
        writer.writerow(["#group", "false", "false", *(str(column in table.key).lower() for column, _ in columns)])
        writer.writerow(["#default", name, "", *("" for _ in columns)])
    writer.writerow(["", "result", "table", *(column for column, _ in columns)])


def _text(value: object) -> str:
    if isinstance(value, Time):
        return text_of(value)
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else float_text(value) if isinstance(value, float) else str(value)
