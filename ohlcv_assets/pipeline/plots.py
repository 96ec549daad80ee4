"""Plots of a report, as SVG text.

What belongs here: drawing given figures. What does not: choosing or reading them.
"""

from __future__ import annotations

import datetime as dt
import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa

from ohlcv_assets.bars.split import by_symbol
from ohlcv_assets.market.symbols import Universe

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SIZE: Final = (10.0, 3.2)
_COLOURS: Final = {"stock": "#1f77b4", "crypto": "#ff7f0e", "other": "#2ca02c"}
_NO_METADATA: Final = dict.fromkeys(("Date", "Creator", "Format", "Type"))


class _Drawing:
    """A figure with one pair of axes; its SVG text is there once it is finished."""

    def __init__(self, axes: Axes) -> None:
        self.axes = axes
        self.svg = ""


def days_plot(days: Sequence[dt.date], filed: Sequence[int], stored: Sequence[int]) -> str:
    """Return trades by day: filed as bars, stored as points upon them."""
    with _drawing("trades, millions") as drawing:
        drawing.axes.bar(_dates(days), np.array(filed) / 1e6, width=1.0, color="#9ecae1", label="in files")
        drawing.axes.plot(
            _dates(days), np.array(stored) / 1e6, ".", markersize=2, color="#08519c", label="in the store"
        )
        drawing.axes.legend(loc="upper right", fontsize=8)
    return drawing.svg


def sizes_plot(days: Sequence[dt.date], filed: Sequence[int], sizes: Sequence[int]) -> str:
    """Return bytes a trade of each day file, days without trades left out."""
    rows = np.array(filed)
    with _drawing("bytes a trade") as drawing:
        full = rows > 0
        drawing.axes.plot(_dates(days)[full], np.array(sizes)[full] / rows[full], ".", markersize=3, color="#1f77b4")
        drawing.axes.set_ylim(bottom=0)
    return drawing.svg


def closes_plot(daily: pa.Table, universe: Universe) -> str:
    """Return the daily closes of all symbols as a share of their first, on a logarithmic scale."""
    lines = {
        name: (columns["ts"].astype("datetime64[ns]"), 100 * columns["close"] / columns["close"][0])
        for name, columns in by_symbol(daily, ("close",))
    }
    shares = np.concatenate([[100.0], *(values for _, values in lines.values())])
    with _drawing("close") as drawing:
        drawing.axes.set_yscale("log")
        # Set before anything is drawn: after a single day there is no range to be found.
        drawing.axes.set_ylim(0.98 * shares.min(), 1.02 * shares.max())
        for name, (times, values) in lines.items():
            symbol = universe.by_name.get(name)  # none where the store holds bars of another universe
            colour = _COLOURS["other" if symbol is None else symbol.asset_class]
            marker = "." if len(values) == 1 else None
            drawing.axes.plot(times, values, linewidth=0.8, marker=marker, alpha=0.7, color=colour)
    return drawing.svg


@contextmanager
def _drawing(label: str) -> Iterator[_Drawing]:
    # Half a second to import, and only reports draw. Figures made so need no display and no global state.
    from matplotlib.backends.backend_svg import FigureCanvasSVG  # noqa: PLC0415 -- see above
    from matplotlib.figure import Figure  # noqa: PLC0415 -- see above

    figure = Figure(figsize=_SIZE, layout="constrained")
    canvas = FigureCanvasSVG(figure)
    drawing = _Drawing(figure.subplots())
    drawing.axes.set_ylabel(label)
    drawing.axes.grid(alpha=0.3)
    yield drawing
    text = io.StringIO()
    canvas.print_svg(text, metadata=_NO_METADATA)  # type: ignore[no-untyped-call]  # matplotlib types no canvas
    drawing.svg = text.getvalue()[text.getvalue().index("<svg") :]


def _dates(days: Sequence[dt.date]) -> np.ndarray[tuple[int], np.dtype[np.datetime64]]:
    return np.array(days, dtype="datetime64[D]")
