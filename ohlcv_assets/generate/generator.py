"""The generator: trades of a (symbol, day), in chunks of any size.

What belongs here: putting the parts of a session together and handing out chunks. What does not: the laws themselves.

A session is a pure function of plan, seed, strategies, symbol and day. Chunks are cut from it without changing it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from functools import cached_property
from typing import Final

import numpy as np

from ohlcv_assets.errors import PlanError
from ohlcv_assets.generate import kernels, profiles
from ohlcv_assets.generate.arrivals import minute_counts
from ohlcv_assets.generate.kernels import PreparedSession, TradeColumns
from ohlcv_assets.generate.prices import MinutePath, SessionTask
from ohlcv_assets.generate.settings import bounce, day_settings, trading_minutes
from ohlcv_assets.generate.sizes import SizeLaw
from ohlcv_assets.generate.skeleton import Skeleton, is_weekend
from ohlcv_assets.generate.strategies import PRICE_MODELS, Strategies
from ohlcv_assets.market.calendars import Session, session_on
from ohlcv_assets.market.plan import Plan
from ohlcv_assets.market.regime import stream
from ohlcv_assets.market.symbols import Symbol, Universe
from ohlcv_assets.units import MINUTE, Lots, Ticks

GENERATOR_VERSION: Final = 1
"""Part of every fingerprint; raised when the same request gives other trades."""


class Generator:
    """Makes the trades of a plan.

    Parameters
    ----------
    plan
        How many trades each (symbol, day) has.
    seed
        The dataset's seed.
    strategies
        The laws.
    spread
        False leaves the spread between buyers and sellers out: the control for what it does to price changes.

    Raises
    ------
    PlanError
        If the plan has trades where a symbol's calendar is closed, or more than a session has microseconds.
    """

    def __init__(self, plan: Plan, seed: int, strategies: Strategies | None = None, *, spread: bool = True) -> None:
        self.plan = plan
        self.seed = seed
        self.strategies = Strategies() if strategies is None else strategies
        self._prices = self.strategies.make_price_model()
        self._arrivals = self.strategies.make_arrivals()
        self._sizes = self.strategies.make_sizes()
        self._has_spread = spread and self._prices.has_spread
        self._laws: dict[str, SizeLaw] = {}

    @cached_property
    def skeleton(self) -> Skeleton:
        """Opens and closes of every session; rows and columns are the plan's."""
        return self._prices.skeleton(self.plan.universe, self.plan.days, self.seed)

    def day(self, symbol: str, day: dt.date) -> TradeColumns:
        """Return all trades of a symbol on a day.

        Raises
        ------
        UnknownSymbolError, OutsideDatasetError
            For what the plan does not have.
        PlanError
            If the session cannot hold the planned trades.
        """
        count = self.plan.count(symbol, day)
        return next(self.chunks(symbol, day, max(count, 1)), _empty(0))

    def chunks(self, symbol: str, day: dt.date, size: int) -> Iterator[TradeColumns]:
        """Yield the trades of a symbol on a day, ``size`` at a time; the last chunk may be shorter.

        Joined together the chunks are the same at any size.

        Raises
        ------
        UnknownSymbolError, OutsideDatasetError
            For what the plan does not have.
        PlanError
            If the session cannot hold the planned trades.
        """
        left = self.plan.count(symbol, day)
        if left == 0:
            return
        session = self.prepare(symbol, day)
        carried = kernels.start()
        while left > 0:
            chunk = _empty(min(size, left))
            with np.errstate(over="ignore"):  # random words wrap around
                kernels.fill(session, carried, chunk)
            left -= len(chunk.ts)
            yield chunk

    def minutes(self, symbol: str, day: dt.date) -> MinutePath:
        """Return the efficient price of a session by minute: what trades move about.

        Raises
        ------
        PlanError
            If the symbol's calendar is closed that day.
        """
        named = self.plan.universe.symbol(symbol)
        return self._path(named, _session(named, day))

    def prepare(self, symbol: str, day: dt.date) -> PreparedSession:
        """Return a session's counts, prices and constants by minute."""
        named = self.plan.universe.symbol(symbol)
        session = _session(named, day)
        total = self.plan.count(symbol, day)
        minutes = (session.close - session.open) // MINUTE
        if total > minutes * kernels.MINUTE_MICROS:
            raise PlanError(
                f"{symbol} on {day} is planned to have {total:,} trades, more than its session has microseconds; "
                "plan fewer trades or more days."
            )
        path = self._path(named, session)
        rng = np.random.default_rng(stream(self.seed, "arrivals", symbol, day.isoformat()))
        shape = profiles.activity(named.calendar, minutes, weekend=is_weekend(day))
        arrivals = self._arrivals.law(shape, path.mood, rng)
        counts = minute_counts(total, arrivals.weights, rng)
        law = self._law(named)
        return PreparedSession(
            key=np.uint64(stream(self.seed, "trades", symbol, day.isoformat()) % 2**64),
            opens=session.open,
            counts=counts,
            minutes=trading_minutes(path, counts, law, has_spread=self._has_spread),
            settings=day_settings(law, arrivals.followers, total / minutes, has_quotes=self._prices.has_spread),
        )

    def _path(self, symbol: Symbol, session: Session) -> MinutePath:
        row, column = self.plan.universe.names.index(symbol.name), (session.day - self.plan.days[0]).days
        bones, minutes = self.skeleton, (session.close - session.open) // MINUTE
        first, volatility = float(bones.opens[row, column]), float(bones.volatility[row, column])
        trades = max(self.plan.count(symbol.name, session.day), 1)
        return self._prices.minutes(
            SessionTask(
                symbol=symbol,
                day=session.day,
                seed=self.seed,
                minutes=minutes,
                first=first,
                last=float(bones.closes[row, column]),
                volatility=volatility,
                jump=float(bones.jumps[row, column]),
                bounce=bounce(first, volatility, minutes, trades) if self._prices.has_spread else 0.0,
            )
        )

    def _law(self, symbol: Symbol) -> SizeLaw:
        if symbol.name not in self._laws:
            self._laws[symbol.name] = self._sizes.law(symbol)
        return self._laws[symbol.name]


def _session(symbol: Symbol, day: dt.date) -> Session:
    session = session_on(symbol.calendar, day)
    if session is None:
        raise PlanError(f"{symbol.name} does not trade on {day}: calendar {symbol.calendar} is closed.")
    return session


def _empty(rows: int) -> TradeColumns:
    return TradeColumns(
        np.empty(rows, np.int64), np.empty(rows, np.int64), np.empty(rows, np.int64), np.empty(rows, np.int8)
    )


def warm_up() -> None:
    """Compile the kernels, or load them from disk, so that worker processes start with them at hand."""
    symbol = Symbol("warm-up", "other", "24/7", 100, 1, Lots(1), Ticks(10_000), 0.2, 1.0, 1.0)
    plan = Plan(Universe((symbol,), ""), (dt.date(2024, 1, 1),), np.array([[2]]))
    for price_model in PRICE_MODELS:
        Generator(plan, 0, Strategies(price_model=price_model)).day(symbol.name, plan.days[0])
