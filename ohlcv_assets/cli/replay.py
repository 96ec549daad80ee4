"""`ohlcv replay`: a day's trades posted to a running service.

What belongs here: reading the request, stopping on Ctrl-C, the summary. What does not: replaying (``live.replay``).
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from ohlcv_assets.cli.context import AsJson, request_of
from ohlcv_assets.cli.outcome import ExitCode
from ohlcv_assets.cli.output import compact, duration, number, remark, show, show_json

if TYPE_CHECKING:
    from types import FrameType

    from ohlcv_assets.live.replay import Replayed

_AS_FAST_AS_POSSIBLE = "max"


def replay(
    ctx: typer.Context,
    day: Annotated[
        str, typer.Argument(metavar="DAY", help="Day of the dataset, YYYY-MM-DD; filed, stored or made now.")
    ],
    *,
    speed: Annotated[
        str, typer.Option(metavar="X", help="Seconds of the day in one second of ours, or max: as fast as it goes.")
    ] = "1",
    symbols: Annotated[
        str | None, typer.Option(metavar="A,B,...", help="Only these symbols; all of them if absent.")
    ] = None,
    to: Annotated[
        str | None, typer.Option(metavar="DAY", help="Post them onto another day, at the same times of its sessions.")
    ] = None,
    url: Annotated[str | None, typer.Option(help="The running service (OHLCV_SERVICE_URL).")] = None,
    as_json: AsJson = False,
) -> None:
    """Post a day's trades to a running service at their own pace or faster; the key is OHLCV_SERVICE_KEY."""
    from ohlcv_assets.cli.watch import watching
    from ohlcv_assets.instants import parse_day
    from ohlcv_assets.live.replay import replay as post_all
    from ohlcv_assets.live.replay import trades_of
    from ohlcv_assets.live.shifting import shifted
    from ohlcv_assets.live.target import Target

    pace, first = _speed(speed), parse_day(day)
    last = first if to is None else parse_day(to)
    project = request_of(ctx).project(service_url=url)
    names = None if symbols is None else [name.strip() for name in symbols.split(",") if name.strip()]
    found, origin = trades_of(project, first, names)
    trades = shifted(found, project.dataset.universe, first, last)
    settings = project.settings
    target = Target(settings.service_url, settings.service_key)
    remark(f"Replaying {number(trades.num_rows)} trades of {first} ({origin}) at {target.url}; Ctrl-C stops.")
    try:
        with stopping() as stop, watching() as observer:
            done = post_all(trades, target.post, pace, observer=observer, stop=stop)
    finally:
        target.close()
    left_out = found.num_rows - trades.num_rows
    if as_json:
        show_json({"day": first, "to": last, "url": target.url, "origin": origin, "left_out": left_out, **asdict(done)})
    else:
        _show(done, pace, left_out)
    if done.interrupted:
        raise typer.Exit(ExitCode.INTERRUPTED)


@contextmanager
def stopping() -> Iterator[threading.Event]:
    """Give an event that Ctrl-C and SIGTERM set; a second one interrupts at once."""
    stop = threading.Event()

    def told(_: int, __: FrameType | None) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    before = {sign: signal.signal(sign, told) for sign in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for sign, handler in before.items():
            signal.signal(sign, handler)


def _speed(text: str) -> float | None:
    """Return a speed; None for as fast as possible."""
    if text == _AS_FAST_AS_POSSIBLE:
        return None
    try:
        found = float(text)
    except ValueError:
        found = 0.0
    if not 0 < found < float("inf"):
        raise typer.BadParameter(f"--speed {text!r} is neither a number above zero nor max")
    return found


def _show(done: Replayed, pace: float | None, left_out: int) -> None:
    rate = done.posted / done.seconds if done.seconds > 0 else 0.0
    show(
        f"{number(done.posted)} of {number(done.trades)} trades posted in {duration(done.seconds)}, {compact(rate)} a "
        f"second: {number(done.stored)} stored ({number(done.moved)} of them moved to a free nanosecond), "
        f"{number(done.duplicates)} were there."
    )
    if pace is not None and done.behind > 1:
        remark(f"The service fell behind by {duration(done.behind)}; a lower --speed keeps the pace.")
    if done.repeats > 0:
        remark(f"Requests sent again, nothing being stored twice by that: {number(done.repeats)}.")
    if left_out > 0:
        remark(f"Left out, for the session there ends earlier: {number(left_out)} trades.")
    if done.interrupted:
        remark("Stopped when asked to.")
