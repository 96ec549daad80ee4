"""Telling formats apart.

What belongs here: the list of formats and the choice between them. What does not: any particular format.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from ohlcv_assets.errors import ImportFileError
from ohlcv_assets.sources.exchange import binance, ccxt, databento, kraken, tardis
from ohlcv_assets.sources.exchange.canonical import Layout, Sample
from ohlcv_assets.sources.exchange.mapped import ColumnMapping

FORMATS: Final[Mapping[str, Callable[[Sample], Layout | None]]] = {
    module.NAME: module.recognise for module in (binance, kraken, tardis, databento, ccxt)
}
"""Every format known by name, and what recognises it."""


def layout_of(sample: Sample, where: str, format_name: str | None, mapping: ColumnMapping | None) -> Layout:
    """Return how to read a file.

    Parameters
    ----------
    sample
        Its beginning.
    where
        What to call it in errors.
    format_name
        A name in ``FORMATS``; None to find out.
    mapping
        Columns named by the user; goes before any format.

    Raises
    ------
    ImportFileError
        An unknown format name, a file that does not look like the format given, or one that looks like none or several.
    """
    if mapping is not None:
        return mapping.layout(sample)
    if format_name is not None:
        if format_name not in FORMATS:
            raise ImportFileError(
                f"There is no format {format_name!r}; use one of: {', '.join(FORMATS)}, or map columns."
            )
        layout = FORMATS[format_name](sample)
        if layout is None:
            raise ImportFileError(f"{where} does not look like {format_name} trades ({_beginning(sample)}).")
        return layout
    found = [layout for recognise in FORMATS.values() if (layout := recognise(sample)) is not None]
    if len(found) == 1:
        return found[0]
    if found:
        names = ", ".join(layout.format for layout in found)
        raise ImportFileError(f"{where} could be any of {names} ({_beginning(sample)}): say which with --format.")
    raise ImportFileError(
        f"The format of {where} is not recognised ({_beginning(sample)}): say which with --format "
        f"({', '.join(FORMATS)}), or name its columns with --map."
    )


def _beginning(sample: Sample) -> str:
    shown = ",".join(sample.first)
    return f"it begins {shown[:80]!r}"
