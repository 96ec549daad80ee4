"""Any CSV, JSON or Parquet whose columns the user names.

What belongs here: the mapping, reading it from text, the layout that follows. What does not: formats known by name.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final, get_args

from ohlcv_assets.errors import ImportFileError
from ohlcv_assets.sources.exchange.canonical import Layout, Sample
from ohlcv_assets.sources.exchange.expressions import Instant, TimeUnit, number, side_of, text

NAME: Final = "mapped"

_TAB: Final = "tab"


@dataclass(frozen=True)
class ColumnMapping:
    r"""Which column is what. Columns are named as in the header, or counted from 1 where there is none.

    Attributes
    ----------
    ts, price, amount
        Columns every file must have.
    side, symbol, id
        Columns a file may have.
    unit
        How instants are written: ``auto``, ``s``, ``ms``, ``us``, ``ns`` or ``iso``.
    buy, sell
        The words of the side column, separated by ``|``; capital or small letters do not matter.
    separator
        What stands between fields of a CSV file; ``tab`` for a tabulator.
    """

    ts: str
    price: str
    amount: str
    side: str | None = None
    symbol: str | None = None
    id: str | None = None
    unit: TimeUnit = "auto"
    buy: str = "buy|b|1|+1"
    sell: str = "sell|s|-1"
    separator: str = ","

    @classmethod
    def parse(cls, mapping: str) -> ColumnMapping:
        """Read ``ts=time,price=px,amount=qty,unit=ms`` and the like; the separator must then be written in words.

        Raises
        ------
        ImportFileError
            For a part that is no ``name=value``, an unknown or a missing name, or an unknown unit.
        """
        known = [field.name for field in fields(cls)]
        values: dict[str, str] = {}
        for part in mapping.split(","):
            name, equals, value = part.strip().partition("=")
            if name not in known or equals == "" or value == "":
                raise ImportFileError(
                    f"The mapping part {part.strip()!r} cannot be used; write name=column with a name of: "
                    f"{', '.join(known)}."
                )
            values[name] = value
        missing = [name for name in ("ts", "price", "amount") if name not in values]
        if missing:
            raise ImportFileError(
                f"The mapping lacks {', '.join(missing)}; write for example ts=time,price=px,amount=qty."
            )
        if values.get("unit", "auto") not in get_args(TimeUnit):
            raise ImportFileError(
                f"The time unit {values['unit']!r} is not known; use one of: {', '.join(get_args(TimeUnit))}."
            )
        return cls(**values)  # type: ignore[arg-type]  # the unit is checked above

    @property
    def delimiter(self) -> str:
        """The separator as a character."""
        return "\t" if self.separator == _TAB else {"semicolon": ";", "pipe": "|"}.get(self.separator, self.separator)

    def layout(self, sample: Sample) -> Layout:
        """Return how to read a file with this mapping.

        Raises
        ------
        ImportFileError
            The file has no column of a name that the mapping gives.
        """
        counted = sample.kind == "csv" and self.ts.isdecimal()
        columns = tuple(str(at) for at in range(1, len(sample.first) + 1)) if counted else sample.first
        wanted = {name: getattr(self, name) for name in ("ts", "price", "amount", "side", "symbol", "id")}
        for name, column in wanted.items():
            if column is not None and column not in columns and sample.kind != "json":
                raise ImportFileError(
                    f"{sample.name} has no column {column!r} for {name}; its columns are: {', '.join(columns)}."
                )
        headed = sample.kind == "csv" and not counted
        return Layout(
            format=NAME,
            skip=1 if headed or (counted and sample.header is not None) else 0,
            columns=tuple(column for column in wanted.values() if column is not None)
            if sample.kind == "json"
            else columns,
            ts=Instant(self.ts, self.unit),
            price=number(self.price),
            amount=number(self.amount),
            side=None
            if self.side is None
            else side_of(self.side, _words(self.buy), _words(self.sell), ("unknown", "n", "0")),
            id=None if self.id is None else text(self.id),
            symbol=None if self.symbol is None else text(self.symbol),
            separator=self.delimiter,
        )


def _words(listed: str) -> tuple[str, ...]:
    return tuple(word.strip().lower() for word in listed.split("|"))
