"""Whether the rows of a day file obey every rule of trades.

What belongs here: schema and invariants of one day's trades. What does not: comparing them with anything else
(``counts``, ``content``).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ohlcv_assets.bars.split import Columns, run_starts
from ohlcv_assets.market.calendars import session_on
from ohlcv_assets.market.grid import on_grid
from ohlcv_assets.market.schema import TRADES
from ohlcv_assets.market.symbols import Symbol, Universe
from ohlcv_assets.units import day_bounds
from ohlcv_assets.verify.compare import instant_text
from ohlcv_assets.verify.verdict import MAX_DIFFERENCES, Scalar, Verdict

_CHECK: Final = "schema_and_invariants"

Broken = tuple[str, str, NDArray[np.bool_]]
"""A rule in words, the column that shows it, and the rows of one symbol that break it."""


@dataclass(slots=True)
class _Findings:
    """What was found wrong so far."""

    by_rule: dict[str, int] = field(default_factory=dict)
    rows: list[Mapping[str, Scalar]] = field(default_factory=list)

    def add(self, rule: str, symbol: str, columns: Columns, shown: str, mask: NDArray[np.bool_]) -> None:
        """Count broken rows of one symbol and describe the first of them."""
        broken = np.flatnonzero(mask)
        if len(broken) == 0:
            return
        self.by_rule[rule] = self.by_rule.get(rule, 0) + len(broken)
        for row in broken[: MAX_DIFFERENCES - len(self.rows)].tolist():
            time = instant_text(int(columns["ts"][row]))
            self.rows.append({"rule": rule, "symbol": symbol, "time": time, "value": f"{shown} {columns[shown][row]}"})


def schema_and_invariants(
    trades: pa.Table, universe: Universe, day: dt.date, first_ids: Mapping[str, int] | None = None
) -> Verdict:
    """Check a day file's rows against every rule of trades.

    Columns and types; nothing missing; sorted by symbol and strictly by time; known symbols; inside the UTC day and
    the symbol's session; price and amount positive, finite and on the symbol's grid to the last bit; side +1 or -1;
    ids counting up by one within the day.

    Parameters
    ----------
    trades
        ``market.schema.TRADES`` as read from the file.
    universe
        Grids and calendars of the dataset's symbols.
    day
        The file's day.
    first_ids
        Id that each symbol's first trade of the day must have; None: any that is not negative.
    """
    wrong = list(_schema_differences(trades.schema)) or list(_nulls(trades))
    if wrong:
        first = wrong[0]
        summary = (
            f"The day file's columns are not those of trades: {first['column']} should be {first['expected']} and is "
            f"{first['found']}."
        )
        columns = {"columns": ", ".join(TRADES.names)}, {"columns": ", ".join(trades.schema.names)}
        return Verdict(_CHECK, passed=False, summary=summary, expected=columns[0], found=columns[1],
                       differences=tuple(wrong[:MAX_DIFFERENCES]), different=len(wrong))  # fmt: skip
    findings = _findings(trades, universe, day, first_ids)
    total = sum(findings.by_rule.values())
    rows = trades.num_rows
    if total == 0:
        summary = f"All {rows:,} trades of {day} are sorted, unique, in session, on their grids and complete."
    else:
        rules = ", ".join(f"{rule} {number:,}" for rule, number in findings.by_rule.items())
        one = findings.rows[0]
        summary = (
            f"{total:,} broken rule{'s' if total > 1 else ''} in {rows:,} trades of {day} ({rules}); first: "
            f"{one['symbol']} {one['time']} breaks '{one['rule']}' with {one['value']}."
        )
    found: dict[str, Scalar] = {"rows": rows, "broken_rules": total, **findings.by_rule}
    expected: dict[str, Scalar] = {"rows": rows, "broken_rules": 0}
    return Verdict(_CHECK, total == 0, summary, expected, found, tuple(findings.rows), total)


def _schema_differences(schema: pa.Schema) -> Iterator[Mapping[str, Scalar]]:
    """Yield columns that are not where or what they should be."""
    for index in range(max(len(schema), len(TRADES))):
        expected, found = (
            f"{given.field(index).name}: {given.field(index).type}" if index < len(given) else "nothing"
            for given in (TRADES, schema)
        )
        if expected != found:
            yield {"column": f"column {index + 1}", "expected": expected, "found": found}


def _nulls(trades: pa.Table) -> Iterator[Mapping[str, Scalar]]:
    for name in trades.schema.names:
        missing = trades[name].null_count
        if missing > 0:
            yield {"column": name, "expected": "without nulls", "found": f"without {missing:,} of its values"}


def _findings(trades: pa.Table, universe: Universe, day: dt.date, first_ids: Mapping[str, int] | None) -> _Findings:
    findings = _Findings()
    if trades.num_rows == 0:
        return findings
    names, codes, columns = _columns(trades)
    disorder = np.zeros(len(codes), np.bool_)
    disorder[1:] = codes[1:] < codes[:-1]
    if disorder.any():
        first = names[codes[np.argmax(disorder)]]
        findings.add("sorted by symbol", first, columns, "ts", disorder)
        order = np.argsort(codes, kind="stable")
        codes, columns = codes[order], {name: column[order] for name, column in columns.items()}
    starts = run_starts(codes).tolist()
    for start, stop in zip(starts, [*starts[1:], len(codes)], strict=True):
        name = names[codes[start]]
        rows = {column: values[start:stop] for column, values in columns.items()}
        first_id = None if first_ids is None else first_ids.get(name)
        for rule, shown, mask in _rules(rows, universe.by_name.get(name), day, first_id):
            findings.add(rule, name, rows, shown, mask)
    return findings


def _columns(trades: pa.Table) -> tuple[list[str], NDArray[np.int64], Columns]:
    """Return symbols ascending, each row's index into them, and the other columns."""
    encoded = cast("pa.DictionaryArray[Any, Any]", trades["symbol"].unify_dictionaries().combine_chunks())
    given = cast("list[str]", encoded.dictionary.to_pylist())  # Any above: index and value types do not matter
    names = sorted(given)
    ranks = np.array([names.index(name) for name in given], np.int64)
    columns = {name: trades[name].to_numpy() for name in ("price", "amount", "side", "trade_id")}
    columns["ts"] = pc.cast(trades["ts"], pa.int64()).to_numpy()
    return names, ranks[encoded.indices.to_numpy()], columns


def _rules(rows: Columns, symbol: Symbol | None, day: dt.date, first_id: int | None) -> Iterator[Broken]:
    """Yield every rule for the rows of one symbol."""
    ts, side, ids = rows["ts"], rows["side"], rows["trade_id"]
    start, end = day_bounds(day)
    yield "strictly after the trade before", "ts", _after_first(ts[1:] <= ts[:-1])
    yield "within the day", "ts", (ts < start) | (ts >= end)
    yield "side +1 or -1", "side", (side != 1) & (side != -1)
    yield "one more than the id before", "trade_id", _after_first(ids[1:] - ids[:-1] != 1)
    wrong_start = np.zeros(len(ids), np.bool_)
    wrong_start[0] = ids[0] < 0 if first_id is None else ids[0] != first_id
    yield "the id to start the day with", "trade_id", wrong_start
    for name in ("price", "amount"):
        yield f"{name} positive and finite", name, ~((rows[name] > 0) & np.isfinite(rows[name]))
    if symbol is None:
        yield "a symbol of the universe", "ts", np.ones(len(ts), np.bool_)
        return
    yield "on the price grid", "price", ~on_grid(rows["price"], symbol.ticks_per_unit)
    yield "on the amount grid", "amount", ~on_grid(rows["amount"], symbol.lots_per_unit)
    session = session_on(symbol.calendar, day)
    closed = np.ones(len(ts), np.bool_)
    yield "in session", "ts", closed if session is None else (ts < session.open) | (ts >= session.close)


def _after_first(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    return np.concatenate([np.zeros(1, np.bool_), mask])
