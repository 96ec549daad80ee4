"""What every step of a run does: read its day, say which process it runs in, turn known errors into one sentence.

What belongs here: what assets and checks share. What does not: either of them.
"""

from __future__ import annotations

import datetime as dt
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache

import dagster as dg
import psutil

from ohlcv_assets.errors import OhlcvError
from ohlcv_assets.orchestration.names import HOST_TAG, PID_TAG, STARTED_TAG
from ohlcv_assets.orchestration.partitions import day_of

Context = dg.AssetExecutionContext | dg.AssetCheckExecutionContext


@contextmanager
def step(context: Context) -> Iterator[dt.date]:
    """Yield the day of the run's partition; a known error within fails the step with its sentence, without retries.

    A run that was not started by a backfill is marked with its process, so that it can be recognised if it is killed.
    """
    mark_process(context)
    if not context.has_partition_key:
        raise dg.Failure(
            'This asset is made by day: give the run one, for example --tags \'{"dagster/partition": "2024-03-15"}\'.',
            allow_retries=False,
        )
    with one_sentence():
        yield day_of(context.partition_key)


@contextmanager
def one_sentence() -> Iterator[None]:
    """Turn a known error into a failure of the step that says just its sentence."""
    try:
        yield
    except OhlcvError as error:
        raise dg.Failure(str(error), allow_retries=False) from None


def mark_process(context: Context) -> None:
    """Record on the run which process executes it, unless that is recorded already."""
    tags, run = process_tags(), context.run
    if any(run.tags.get(name) != value for name, value in tags.items()):
        context.instance.add_run_tags(run.run_id, dict(tags))


@cache
def _process_tags(pid: int) -> Mapping[str, str]:
    started = psutil.Process(pid).create_time()
    return {HOST_TAG: socket.gethostname(), PID_TAG: str(pid), STARTED_TAG: f"{started:.2f}"}


def process_tags() -> Mapping[str, str]:
    """Return the tags that tell this process from any other, before or after it, on any host."""
    return _process_tags(os.getpid())
