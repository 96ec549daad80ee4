"""What there is to heal, and in which chunks.

What belongs here: days and resolutions that are missing or stale, cut into jobs, and a job cut in two. What does not:
finding out how bars stand (``bar_days``), making them (``heal``).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby

from ohlcv_assets.bars.chunks import Span, plan, split
from ohlcv_assets.bars.resolutions import STORED_RESOLUTIONS, Resolution
from ohlcv_assets.pipeline.bar_days import Facts
from ohlcv_assets.units import DAY, Nanos, day_bounds, day_of, day_start, days_between


@dataclass(frozen=True, slots=True)
class Job:
    """Some days at some resolutions, of the chain from below."""

    span: Span
    resolutions: tuple[Resolution, ...]

    @property
    def days(self) -> tuple[dt.date, ...]:
        """The days."""
        return days_between(day_of(self.span.start), day_of(Nanos(self.span.stop - 1)))

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the resolutions."""
        return tuple(resolution.name for resolution in self.resolutions)


@dataclass(frozen=True, slots=True)
class Need:
    """What a day needs: these resolutions, made of trades of that hash."""

    resolutions: tuple[Resolution, ...]
    content: str


Needs = Mapping[dt.date, Need]


def needs_of(facts: Facts) -> tuple[Needs, list[dt.date]]:
    """Return which resolutions each day needs, and days with bars but without proved trades.

    Parameters
    ----------
    facts
        Of all stored resolutions.
    """
    needs: dict[dt.date, Need] = {}
    orphans: set[dt.date] = set()
    for resolution in STORED_RESOLUTIONS:
        for found in facts[resolution.name]:
            if found.standing not in {"missing", "stale"}:
                continue
            if found.content is None:
                orphans.add(found.day)
            else:
                before = needs[found.day].resolutions if found.day in needs else ()
                needs[found.day] = Need((*before, resolution), found.content)
    return dict(sorted(needs.items())), sorted(orphans)


def jobs_of(needs: Needs) -> Iterator[Job]:
    """Plan chunks of consecutive days that need the same; the finest resolution says how large they may be."""
    ordinal = {day: (day.toordinal() - at, needs[day].resolutions) for at, day in enumerate(needs)}
    for (_, resolutions), group in groupby(needs, key=lambda day: ordinal[day]):
        days = list(group)
        kept = resolutions[0].kept
        whole = Span(day_start(days[0]), day_bounds(days[-1])[1])
        for span in plan(whole, Nanos(kept.first_chunk * DAY), Nanos(kept.largest_chunk * DAY)):
            yield Job(span, resolutions)


def parts_of(job: Job) -> tuple[Job, Job] | None:
    """Cut a job in two: its days, or of a single day its resolutions; None where it cannot be smaller."""
    spans = split(job.span, DAY)
    if spans is not None:
        return Job(spans[0], job.resolutions), Job(spans[1], job.resolutions)
    if len(job.resolutions) > 1:
        # The finest first: it takes longest, and the others are made of it.
        return Job(job.span, job.resolutions[:1]), Job(job.span, job.resolutions[1:])
    return None


def frame_of(needs: Needs) -> Span:
    """Return the range that all days lie in."""
    days = list(needs)
    return Span(day_start(days[0]), day_bounds(days[-1])[1]) if days else Span(Nanos(0), DAY)
