"""Replaying a day: its trades posted to a running service, in the pace in which they came, or faster.

What belongs here: which trades, and when each is due. What does not: requests (``target``), other days (``shifting``).
"""

from __future__ import annotations

import datetime as dt
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ohlcv_assets.errors import OutsideDatasetError, UserError
from ohlcv_assets.live.target import Receipt
from ohlcv_assets.market.schema import STORED
from ohlcv_assets.progress import Observer, Progress, nobody
from ohlcv_assets.project import Project
from ohlcv_assets.stores.tables import nanos
from ohlcv_assets.units import SECOND, day_bounds

BATCH: Final = 500
"""Trades of one request."""

TICK: Final = 0.02
"""Seconds between two requests at least, unless one is late: what comes closer together goes together."""

Origin = Literal["file", "store", "generator"]


class Post(Protocol):
    """Posts trades under a name that is theirs alone."""

    def __call__(self, trades: pa.Table, name: str, /) -> Receipt:
        """Return what became of them."""
        ...


@dataclass(slots=True)
class Replayed:
    """What became of a replay.

    Attributes
    ----------
    trades
        Trades that there were to post.
    posted, stored, moved, duplicates
        Those that were posted, and what became of them.
    requests, repeats
        Requests with an answer, and those sent again.
    seconds
        Wall time.
    behind
        Seconds that the latest of its trades was late, at most; 0 where there is no pace.
    interrupted
        Whether it was told to stop.
    """

    trades: int
    posted: int = 0
    stored: int = 0
    moved: int = 0
    duplicates: int = 0
    requests: int = 0
    repeats: int = 0
    seconds: float = 0.0
    behind: float = 0.0
    interrupted: bool = False


def trades_of(project: Project, day: dt.date, symbols: Sequence[str] | None) -> tuple[pa.Table, Origin]:
    """Return a day's trades in order of time, and where they are from: its file, the store, or made now.

    Parameters
    ----------
    project
        Whose day.
    day
        A day of its dataset.
    symbols
        Names; all where None.

    Raises
    ------
    OutsideDatasetError, UnknownSymbolError, UserError
        There is no such day, no such symbol, or no trade of them that day.
    LakeError, StoreError
        The file or the store cannot be read.
    """
    dataset = project.dataset
    if day not in dataset.days:
        raise OutsideDatasetError(
            f"{day} is outside dataset {dataset.name!r}; its days run from {dataset.days[0]} to {dataset.days[-1]}."
        )
    wanted = None if symbols is None else [dataset.universe.symbol(name).name for name in symbols]
    origin: Origin = "file"
    if day in project.lake.days():
        found = project.lake.read(day, wanted, STORED.names)
    else:
        origin = "store"
        found = _joined(project.trade_store.scan(*day_bounds(day), wanted))
        if found.num_rows == 0:
            origin = "generator"
            found = _joined(project.source.batches(day, nobody))
            if wanted is not None:
                names = found["symbol"].cast(pa.string())
                found = found.filter(pc.is_in(names, value_set=pa.array(wanted, pa.string())))
    if found.num_rows == 0:
        raise UserError(f"There are no trades of {day} to replay; choose another day or other symbols.")
    return found.take(np.argsort(nanos(found["ts"]), kind="stable")), origin


def replay(
    trades: pa.Table,
    post: Post,
    speed: float | None,
    *,
    observer: Observer = nobody,
    stop: threading.Event | None = None,
    batch: int = BATCH,
    clock: Callable[[], float] = time.monotonic,
) -> Replayed:
    """Post trades in order of time.

    Parameters
    ----------
    trades
        ``market.schema.STORED``, sorted by ts, at least one.
    post
        Posts some of them.
    speed
        Seconds of the day that pass in one second of ours; None for as fast as they are taken.
    observer
        Told of every request.
    stop
        Set to make it stop after the request under way.
    batch
        Trades of a request at most.
    clock
        Seconds; tests pass their own.

    Raises
    ------
    ServiceError
        As ``post``.
    """
    stop = threading.Event() if stop is None else stop
    run, subject = uuid.uuid4().hex, trades["ts"][0].as_py().date().isoformat()
    # One second of ours is so many of theirs.
    due = (nanos(trades["ts"]) - nanos(trades["ts"])[0]) / (SECOND * (speed or np.inf))
    done, began = Replayed(trades.num_rows), clock()
    while done.posted < done.trades:
        if stop.is_set():
            done.interrupted = True
            break
        now = clock() - began
        ready = int(np.searchsorted(due, now, "right"))
        if ready <= done.posted:
            stop.wait(max(TICK, float(due[done.posted]) - now))
            continue
        part = trades.slice(done.posted, min(batch, ready - done.posted))
        receipt = post(part, f"{run}-{done.requests}")
        _count(done, part.num_rows, receipt)
        done.seconds = clock() - began
        if speed is not None:
            done.behind = max(done.behind, done.seconds - float(due[done.posted - 1]))
        rate = done.posted / done.seconds if done.seconds > 0 else 0.0
        observer(
            Progress(
                "replay",
                subject,
                done.posted,
                done.trades,
                "trades",
                {"rate": round(rate), "behind": round(done.behind, 3)},
            )
        )
    done.seconds = clock() - began
    return done


def _count(done: Replayed, posted: int, receipt: Receipt) -> None:
    done.posted += posted
    done.requests += 1
    done.stored += receipt.stored
    done.moved += receipt.moved
    done.duplicates += receipt.duplicates
    done.repeats += receipt.repeats


def _joined(batches: Iterable[pa.RecordBatch]) -> pa.Table:
    tables = [pa.Table.from_batches([one]).select(STORED.names) for one in batches]
    return pa.concat_tables([STORED.empty_table(), *tables]).unify_dictionaries()
