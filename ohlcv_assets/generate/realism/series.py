"""From what was observed of a symbol to the values of its stylised facts.

What belongs here: which series each estimator is applied to. What does not: estimators (``statistics``), gates.

Returns are logarithmic and stay within a session: only ``1d`` returns span nights, and ``NIGHTS`` and ``MIDNIGHT`` are
about what lies between sessions.
"""

from __future__ import annotations

import datetime as dt
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ohlcv_assets.generate.realism import gates
from ohlcv_assets.generate.realism.observe import CELLS_AN_OCTAVE, SIGN_LAGS, Observed, ObservedDay
from ohlcv_assets.generate.realism.statistics import (
    Series,
    autocorrelation,
    change_memory,
    correlation,
    excess_kurtosis,
    hill,
    hill_of_histogram,
)
from ohlcv_assets.market.calendars import REGULAR_OPEN, SESSIONS_A_YEAR
from ohlcv_assets.units import MINUTE

FIVE: Final = 5
HOUR: Final = 60
BARS_AN_HOUR: Final = HOUR // FIVE
SHAPE_MINUTES: Final = 15


def returns(day: ObservedDay, minutes: int) -> Series:
    """Return a session's log returns over whole intervals of so many minutes, counted from its open."""
    return np.diff(day.prices[::minutes])


def facts(seen: Observed) -> dict[str, float]:
    """Return every statistic of one symbol but the one that takes several; not a number where there is too little."""
    days = seen.days
    one, five = _joined(days, 1), _joined(days, FIVE)
    daily = np.diff([day.prices[-1] for day in days])
    volumes = np.concatenate([day.volumes for day in days])
    fano = float(np.mean([day.counts.var() / day.counts.mean() for day in days]))
    sides = dict(zip(SIGN_LAGS.tolist(), seen.signs[:, 0] / np.maximum(seen.signs[:, 1], 1.0), strict=True))
    values = {
        gates.KURTOSIS_1M: excess_kurtosis(one),
        gates.KURTOSIS_5M: excess_kurtosis(five),
        gates.KURTOSIS_1H: excess_kurtosis(_joined(days, HOUR)),
        gates.KURTOSIS_1D: excess_kurtosis(daily) if len(daily) > 0 else float("nan"),
        gates.HILL_RETURNS: hill(np.abs(one), 0.01),
        gates.MEMORY: autocorrelation(five, 1),
        gates.LEVERAGE: _leverage(days),
        gates.VOLUME: correlation(volumes, np.abs(one)),
        gates.FANO: fano,
        gates.BOUNCE: change_memory(seen.changes),
        gates.CONTROL: change_memory(seen.control),
        gates.HILL_SIZES: hill_of_histogram(seen.sizes, CELLS_AN_OCTAVE, 0.005),
        gates.SIDES_1: float(sides[1]),
        gates.SIDES_20: float(sides[20]),
        gates.DIURNAL: _shape(days),
    }
    return values | _clustering(seen, np.abs(five)) | _between_sessions(seen, one, daily)


def _joined(days: list[ObservedDay], minutes: int) -> Series:
    return np.concatenate([returns(day, minutes) for day in days])


def _clustering(seen: Observed, magnitudes: Series) -> dict[str, float]:
    a_day = REGULAR_OPEN[seen.symbol.calendar] // MINUTE // FIVE
    lags = {
        gates.CLUSTERING: 1,
        gates.CLUSTERING_1H: BARS_AN_HOUR,
        gates.CLUSTERING_1D: a_day,
        gates.CLUSTERING_5D: 5 * a_day,
    }
    return {name: autocorrelation(magnitudes, lag) for name, lag in lags.items()}


def _leverage(days: list[ObservedDay]) -> float:
    """Correlate signed roots of 5m returns with the logarithm of the next hour's mean magnitude.

    Root and logarithm keep a handful of extreme returns from deciding the value.
    """
    causes, effects = [], []
    for day in days:
        change = returns(day, FIVE)
        if len(change) > BARS_AN_HOUR:
            sums = np.cumsum(np.abs(change))
            causes.append(change[:-BARS_AN_HOUR])
            effects.append(sums[BARS_AN_HOUR:] - sums[:-BARS_AN_HOUR])
    if not causes:
        return float("nan")
    cause, effect = np.concatenate(causes), np.concatenate(effects)
    moved = effect > 0.0
    return correlation((np.sign(cause) * np.sqrt(np.abs(cause)))[moved], np.log(effect[moved]))


def _shape(days: list[ObservedDay]) -> float:
    """Correlate average counts by quarter of an hour with the target, over sessions of the commonest length."""
    lengths = [len(day.counts) for day in days]
    common = max(set(lengths), key=lengths.count)
    alike = [day for day in days if len(day.counts) == common]
    found = np.sum([day.counts for day in alike], axis=0).astype(np.float64)
    target = np.sum([day.expected for day in alike], axis=0)
    edges = np.arange(0, common, SHAPE_MINUTES)
    return correlation(np.add.reduceat(found, edges), np.add.reduceat(target, edges))


def _between_sessions(seen: Observed, one: Series, daily: Series) -> dict[str, float]:
    calendar = seen.symbol.calendar
    ratio = daily.std() * np.sqrt(SESSIONS_A_YEAR[calendar]) / seen.symbol.yearly_volatility if len(daily) else np.nan
    steps = np.array([later.prices[0] - earlier.prices[-1] for earlier, later in _neighbours(seen)])
    if calendar == "24/7":
        deviation = float(one.std())
        largest = float(np.abs(steps).max()) / deviation if len(steps) > 0 and deviation > 0.0 else float("nan")
        return {gates.YEARLY: float(ratio), gates.MIDNIGHT: largest}
    share = float(np.mean(steps**2) / np.mean(daily**2)) if len(steps) > 0 else float("nan")
    return {gates.YEARLY: float(ratio), gates.NIGHTS: share}


def _neighbours(seen: Observed) -> list[tuple[ObservedDay, ObservedDay]]:
    """Return sessions next to each other; round the clock only those of consecutive days."""
    pairs = zip(seen.days, seen.days[1:], strict=False)
    gaps = zip(seen.dates, seen.dates[1:], strict=False)
    always = seen.symbol.calendar != "24/7"
    return [
        pair
        for pair, (before, after) in zip(pairs, gaps, strict=True)
        if always or after - before == dt.timedelta(days=1)
    ]


def by_day(seen: Observed) -> dict[dt.date, NDArray[np.float32]]:
    """Return the 5m returns of each session: all that correlations between symbols need."""
    return {date: returns(day, FIVE).astype(np.float32) for date, day in zip(seen.dates, seen.days, strict=True)}


def common_movement(changes: dict[str, dict[dt.date, NDArray[np.float32]]]) -> dict[str, float]:
    """Return each symbol's mean correlation with the others, over the sessions that all of them have.

    Parameters
    ----------
    changes
        Returns by symbol and session, of symbols of one class.
    """
    if len(changes) < 2:  # noqa: PLR2004 -- a correlation takes two
        return {}
    dates = sorted(set.intersection(*(set(days) for days in changes.values())))
    if not dates:
        return {}
    rows = np.array([np.concatenate([days[date] for date in dates]) for days in changes.values()], dtype=np.float64)
    rows -= rows.mean(axis=1, keepdims=True)
    norms = np.sqrt(np.sum(rows * rows, axis=1))
    products = rows @ rows.T / np.maximum(np.outer(norms, norms), np.finfo(np.float64).tiny)
    np.fill_diagonal(products, 0.0)
    means = products.sum(axis=1) / (len(rows) - 1)
    return dict(zip(changes, means.tolist(), strict=True))
