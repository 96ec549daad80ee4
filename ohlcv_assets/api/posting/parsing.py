"""Bodies of posted trades: read, judged whole, and turned into columns.

What belongs here: what a body may look like, and what its trades may be. What does not: how the values of a field are
read (``values``), what depends on the store (``commit``).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import orjson
from numpy.typing import NDArray

from ohlcv_assets.api.posting import values
from ohlcv_assets.api.posting.columns import Columns
from ohlcv_assets.api.posting.mistakes import WHOLE, Mistakes, shown
from ohlcv_assets.api.problems import ProblemError
from ohlcv_assets.instants import format_instant
from ohlcv_assets.market.grid import MOST_STEPS, on_grid
from ohlcv_assets.market.symbols import Universe
from ohlcv_assets.units import Nanos

Form = Literal["json", "lines"]
Rows = list[dict[str, Any]]  # Any: JSON

REQUIRED: Final = ("symbol", "ts", "price", "amount", "side")
FIELDS: Final = (*REQUIRED, "id")
WRAPPER: Final = "trades"
"""The only member of an object that is not itself a trade."""

_MILLISECONDS: Final = 10**14
"""Below this an integer is hardly meant as nanoseconds: it would be the second day of 1970."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What a body says.

    Attributes
    ----------
    trades
        In its order.
    ids
        The caller's id of each, or None; None where there are none at all.
    fingerprint
        Equal for equal bodies of the same form.
    """

    trades: Columns
    ids: Sequence[str | None] | None
    fingerprint: bytes


class Parser:
    """Reads bodies.

    Parameters
    ----------
    universe, bounds
        Symbols and instants that there are.
    most
        Trades of one body.
    """

    def __init__(self, universe: Universe, bounds: tuple[Nanos, Nanos], most: int) -> None:
        symbols = universe.symbols
        self._bounds = bounds
        self._most = most
        self._numbers = {symbol.name: number for number, symbol in enumerate(symbols)}
        # One more at the end, for the number -1, which is no symbol and has no grid.
        self._ticks = np.array([*(symbol.ticks_per_unit for symbol in symbols), 0], np.int64)
        self._lots = np.array([*(symbol.lots_per_unit for symbol in symbols), 0], np.int64)

    def parse(self, body: bytes, form: Form) -> Batch:
        """Return what a body says.

        Raises
        ------
        ProblemError
            It is no JSON; or it has mistakes, all of which the problem tells.
        """
        rows = _documents(body, form)
        if not rows:
            raise ProblemError("invalid", "There is no trade in the body; send at least one.")
        if len(rows) > self._most:
            raise ProblemError(
                "invalid", f"The body has {len(rows)} trades, over the limit of {self._most}; send fewer at a time."
            )
        mistakes = Mistakes()
        checked = _with_fields(rows, mistakes)
        trades = self._columns(checked, mistakes)
        ids = [row.get("id") for row in checked]
        values.ids(ids, mistakes)
        mistakes.raise_any(len(rows))
        fingerprint = hashlib.blake2b(form.encode() + body, digest_size=16).digest()
        return Batch(trades, ids if any(one is not None for one in ids) else None, fingerprint)

    def _columns(self, rows: Rows, mistakes: Mistakes) -> Columns:
        symbol = values.symbols([row.get("symbol") for row in rows], self._numbers, mistakes)
        ts = values.instants([row.get("ts") for row in rows], mistakes)
        price = values.decimals("price", [row.get("price") for row in rows], mistakes)
        amount = values.decimals("amount", [row.get("amount") for row in rows], mistakes)
        side = values.sides([row.get("side") for row in rows], mistakes)
        self._check_range(ts, mistakes)
        _check_grid("price", price, self._ticks[symbol], "tick", mistakes)
        _check_grid("amount", amount, self._lots[symbol], "lot", mistakes)
        return Columns(symbol, ts, price, amount, side)

    def _check_range(self, ts: NDArray[np.int64], mistakes: Mistakes) -> None:
        start, end = self._bounds

        def text(row: int) -> str:
            hint = "; integers are nanoseconds" if abs(int(ts[row])) < _MILLISECONDS else ""
            return (
                f"{format_instant(Nanos(int(ts[row])))} is outside the dataset, {format_instant(start)} to "
                f"{format_instant(end)}{hint}"
            )

        mistakes.add("ts", (ts < start) | (ts >= end), text)


def _check_grid(name: str, given: NDArray[np.float64], steps: NDArray[np.int64], step: str, mistakes: Mistakes) -> None:
    """Note values that are not above zero, too large, or between two steps; of unknown symbols the first two."""
    with np.errstate(invalid="ignore", divide="ignore"):
        mistakes.add(name, ~(given > 0), lambda row: f"{float(given[row])!r} is not above zero")
        most = MOST_STEPS / steps
        mistakes.add(name, ~(given <= most), lambda row: f"{float(given[row])!r} is over the most, {most[row]:.12g}")
    mistakes.add(
        name,
        ~on_grid(given, steps) & (steps > 0),
        lambda row: f"{float(given[row])!r} is no multiple of the {step} size {1 / steps[row]:.12g}",
    )


def _documents(body: bytes, form: Form) -> list[Any]:  # Any: JSON
    """Return the trades of a body as they are written."""
    try:
        if form == "lines":
            return [orjson.loads(line) for line in body.splitlines() if line.strip()]
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        what = "one JSON document a line" if form == "lines" else "a JSON document"
        raise ProblemError("malformed", f"The body is not {what}.") from None
    if isinstance(found, dict) and WRAPPER in found:
        if len(found) > 1 or not isinstance(found[WRAPPER], list):
            raise ProblemError("invalid", f"An object with {WRAPPER!r} has nothing else, and a list of trades there.")
        return list(found[WRAPPER])
    return found if isinstance(found, list) else [found]


def _with_fields(rows: list[Any], mistakes: Mistakes) -> Rows:  # Any: JSON
    """Return objects, and note which are none, which lack a field and which have one that there is not."""
    if all(type(row) is dict for row in rows) and all(_complete(shape) for shape in {tuple(row) for row in rows}):
        return rows
    objects: Rows = [row if type(row) is dict else {} for row in rows]
    others = np.array([type(row) is not dict for row in rows], np.bool_)
    mistakes.add(WHOLE, others, lambda row: f"{shown(rows[row])} is no object with the fields of a trade")
    for name in REQUIRED:
        mistakes.add(name, np.array([name not in row for row in objects], np.bool_), lambda _: "is missing")
    strange = [[name for name in row if name not in FIELDS] for row in objects]
    mistakes.add(
        "fields",
        np.array([len(names) > 0 for names in strange], np.bool_),
        lambda row: f"there is no field {shown(strange[row][0])}; there are {', '.join(FIELDS)}",
    )
    return objects


def _complete(shape: tuple[str, ...]) -> bool:
    return set(REQUIRED) <= set(shape) <= set(FIELDS)
