"""Where results go: one JSON document, or tables for people; progress and remarks go to standard error.

What belongs here: consoles, tables, JSON, number formats. What does not: what a command has to say.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from ohlcv_assets.logs import is_terminal, no_colour

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.table import Table

_PIPED_WIDTH: Final = 160
_UNBOUNDED: Final = 10_000


def console(*, stderr: bool = False) -> Console:
    """Return a console on standard output or error as it is now; no colours unless a terminal wants them."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    terminal = is_terminal(stream)
    return Console(
        file=stream,
        no_color=no_colour() or not terminal,
        width=None if terminal else _PIPED_WIDTH,
        highlight=False,
        soft_wrap=not terminal,
        emoji=False,
    )


def show(*things: RenderableType) -> None:
    """Print results for people on standard output."""
    target = console()
    for thing in things:
        target.print(thing, markup=False) if isinstance(thing, str) else target.print(thing)


def remark(text: str) -> None:
    """Print a remark for people on standard error, where it disturbs no result."""
    console(stderr=True).print(text, markup=False, style="dim")


def show_json(document: Mapping[str, object]) -> None:
    """Print one JSON document on standard output: indented on a terminal, on one line elsewhere."""
    text = json.dumps(plain(document), ensure_ascii=False, indent=2 if is_terminal(sys.stdout) else None)
    sys.stdout.write(text + "\n")


def plain(value: Any) -> Any:  # Any: whatever JSON can carry, and what becomes it
    """Return a value as JSON carries it: days and paths as text, NumPy scalars as numbers, no NaN."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, str | bool | int | None):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if hasattr(value, "item"):
        return plain(value.item())
    if isinstance(value, Iterable):
        return [plain(item) for item in value]
    return str(value)


def show_fitting(made: Table, spare: Iterable[str]) -> None:
    """Print a table on standard output; columns it can spare make room where the terminal is too narrow for all.

    Parameters
    ----------
    made
        The table; every column that it can spare has a name of its own.
    spare
        Columns that may be left out, the first ones first; a remark names those that were.
    """
    target = console()
    left_out: list[str] = []
    if is_terminal(sys.stdout):
        for name in spare:
            if _natural_width(target, made) <= target.width:
                break
            made = _without(made, name)
            left_out.append(name)
    target.print(made)
    if left_out:
        remark(f"Left out, for the terminal is narrow: {', '.join(left_out)}.")


def _natural_width(target: Console, made: Table) -> int:
    from rich.measure import Measurement

    return Measurement.get(target, target.options.update(max_width=_UNBOUNDED), made).maximum


def _without(made: Table, name: str) -> Table:
    kept = [column for column in made.columns if column.header != name]
    smaller = table(None, ())
    smaller.title = made.title
    for column in kept:
        smaller.add_column(column.header, justify=column.justify, no_wrap=column.no_wrap)
    for row in zip(*(column.cells for column in kept), strict=True):
        smaller.add_row(*row)
    return smaller


def table(
    title: str | None, columns: Sequence[str], *, right: Iterable[str] = (), sentences: Iterable[str] = ()
) -> Table:
    """Return an empty table.

    Parameters
    ----------
    title
        Above it, if any.
    columns
        Their names.
    right
        Columns flush right.
    sentences
        Columns whose text may run over several lines, which keeps the others whole.
    """
    from rich import box
    from rich.table import Table

    flush, wrapped = set(right), set(sentences)
    made = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        made.add_column(column, justify="right" if column in flush else "left", no_wrap=column not in wrapped)
    return made


def unicode_out(stream: Any = None) -> bool:  # Any: any text stream
    """Return whether a stream (standard output where None) can carry more than ASCII."""
    encoding = getattr(sys.stdout if stream is None else stream, "encoding", None) or "ascii"
    return encoding.lower().replace("-", "").startswith("utf")


def mark(passed: bool) -> str:
    """Return a mark for passed or failed that the output can carry."""
    if unicode_out():
        return "[green]✓[/]" if passed else "[red]✗[/]"
    return "ok" if passed else "FAILED"


def counted(count: int, noun: str) -> str:
    """Return a number with its noun, which takes an s unless there is one."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def number(value: float) -> str:
    """Return a whole number with thousands separators."""
    return f"{value:,.0f}"


def compact(value: float) -> str:
    """Return a number in three or four figures: 1,234 / 56.7k / 12.3M."""
    for limit, unit in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= limit:
            scaled = value / (1e3 if unit == "k" else limit)
            return f"{scaled:.1f}{unit}"
    return f"{value:,.0f}"


def size(count: float) -> str:
    """Return a number of bytes in decimal units."""
    for limit, unit in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if count >= limit:
            return f"{count / limit:.1f} {unit}"
    return f"{count:.0f} B"


def duration(seconds: float) -> str:
    """Return a span of time: 0.42 s, 12.3 s, 4:05, 1:02:03."""
    if seconds < 60:  # noqa: PLR2004 -- seconds of a minute
        return f"{seconds:.2f} s" if seconds < 1 else f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
