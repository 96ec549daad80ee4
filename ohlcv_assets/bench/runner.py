"""Running several cases on one prepared day, and showing what came out.

What belongs here: choosing cases and laying figures out as rows or Markdown. What does not: measuring one (``cases``,
``year``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from ohlcv_assets.bench.cases import CASES, prepare
from ohlcv_assets.bench.figures import Figure
from ohlcv_assets.errors import UserError
from ohlcv_assets.progress import Observer, Progress, nobody

MILLION: Final = 1e6
THOUSAND: Final = 1e3


def run_cases(
    folder: Path,
    names: Sequence[str] = (),
    *,
    total: int = 300_000_000,
    repeats: int = 5,
    observer: Observer = nobody,
) -> list[Figure]:
    """Measure the named cases (all of them where none is named) on one ordinary day below ``folder``.

    Raises
    ------
    UserError
        A case that does not exist, naming those that do.
    """
    unknown = [name for name in names if name not in CASES]
    if unknown:
        raise UserError(f"There is no benchmark {unknown[0]!r}; choose of {', '.join(CASES)}.")
    chosen = list(names) or list(CASES)
    work = prepare(folder, total=total, repeats=repeats)
    figures: list[Figure] = []
    for number, name in enumerate(chosen):
        observer(Progress("bench", name, number, len(chosen), "cases"))
        figures += CASES[name](work)
    return figures


def amount(figure: Figure) -> str:
    """Return a figure's value with its unit, in three or four digits a person can take in, and its spread."""
    text = f"{_number(figure.value)} {figure.unit}"
    if figure.spread is None:
        return text
    low, high = figure.spread
    return f"{text} ({_number(low)} to {_number(high)})"


def _number(value: float) -> str:
    if value >= MILLION:
        return f"{value / MILLION:,.1f} million"
    return f"{value:,.0f}" if value >= THOUSAND else f"{value:,.3g}"


def row(figure: Figure) -> Mapping[str, str]:
    """Return one figure as the cells of a table."""
    target = "" if figure.target is None else amount(replace(figure, value=figure.target, spread=None))
    bound = "at least " if figure.higher_is_better else "at most "
    return {
        "case": figure.case,
        "what": figure.name,
        "measured": amount(figure),
        "target": target and bound + target,
        "met": {True: "yes", False: "no", None: ""}[figure.met],
        "against": figure.peer,
        "ratio": "" if figure.ratio is None else f"{figure.ratio:.2f}",
        "method": figure.method,
    }


def grid(figures: Sequence[Figure]) -> list[list[str]]:
    """Return figures named ``row, column`` as a table, its header first; nothing where there are none."""
    cells = {tuple(figure.name.split(", ", 1)): amount(figure) for figure in figures}
    columns = list(dict.fromkeys(name[1] for name in cells))
    rows = dict.fromkeys(name[0] for name in cells)
    lines = [[name, *(cells.get((name, column), "") for column in columns)] for name in rows]
    return [["", *columns], *lines] if lines else []


def markdown(figures: Sequence[Figure], machine: str, grids: Sequence[str] = ()) -> str:
    """Return the tables of docs/performance.md: machine first, one row a figure, a table for each case of ``grids``."""
    rows = [row(figure) for figure in figures if figure.case not in grids]
    tables = [[list(rows[0]), *(list(cells.values()) for cells in rows)]] if rows else []
    tables += filter(None, (grid([figure for figure in figures if figure.case == case]) for case in grids))
    return "\n".join([f"Machine: {machine}", *(f"\n{_markdown_table(table)}" for table in tables)])


def _markdown_table(rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(cells) + " |" for cells in rows]
    return "\n".join([lines[0], "|" + "---|" * len(rows[0]), *lines[1:], ""])
