"""The project's buckets as they should be and as a server has them.

What belongs here: descriptions by which buckets are known again, and what differs. What does not: making and changing
them (``administration``), their names (``layout``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final, cast

from ohlcv_assets.stores.influxdb.admin.administration import Place
from ohlcv_assets.stores.influxdb.admin.rights import Content
from ohlcv_assets.stores.influxdb.layout import Bucket, Layout

_MARK: Final = re.compile(r"^ohlcv (trades|bars|records)\b")
_UNITS: Final = ((366 * 86_400, "y"), (7 * 86_400, "w"), (86_400, "d"), (3_600, "h"))


def descriptions(layout: Layout, dataset: str) -> dict[str, str]:
    """Return the description of each bucket of a dataset, by the bucket's name."""
    bars = {bucket.name: f"ohlcv bars {name} of dataset {dataset}" for name, bucket in layout.bars.items()}
    return {
        layout.trades.name: f"ohlcv trades of dataset {dataset}",
        **bars,
        layout.status.name: "ohlcv records of days of all datasets",
    }


def contents(layout: Layout, places: Iterable[Place]) -> dict[str, Content]:
    """Return what the project's buckets hold, of all datasets, by id.

    A bucket is the project's if it is one of the layout or if its description says so.
    """
    own: Mapping[str, Content] = {
        layout.trades.name: "trades",
        **{bucket.name: "bars" for bucket in layout.bars.values()},
        layout.status.name: "records",
    }
    found: dict[str, Content] = {}
    for place in places:
        marked = _MARK.match(place.description)
        if place.bucket.name in own:
            found[place.id] = own[place.bucket.name]
        elif marked is not None:
            found[place.id] = cast("Content", marked[1])
    return found


def difference(wanted: Bucket, found: Bucket) -> str | None:
    """Return in words what differs between a bucket and the settings; None where nothing does."""
    parts = []
    if wanted.retention != found.retention:
        parts.append(f"keeps points {_kept(found.retention)}, the settings say {_kept(wanted.retention)}")
    if wanted.shard != found.shard:
        parts.append(f"has shards of {span(found.shard)}, the settings say {span(wanted.shard)}")
    return " and ".join(parts) or None


def shortens(wanted: Bucket, found: Bucket) -> bool:
    """Tell whether the wanted retention would make the server delete what it keeps now."""
    return wanted.retention != 0 and (found.retention == 0 or wanted.retention < found.retention)


def _kept(seconds: int) -> str:
    return "for ever" if seconds == 0 else f"for {span(seconds)}"


def span(seconds: int) -> str:
    """Return seconds in the largest unit that fits: ``10y``, ``7d``, ``90s``; a year counts 366 days."""
    if seconds % 86_400 == 0 and seconds < 366 * 86_400:
        return f"{seconds // 86_400}d"
    for length, unit in _UNITS:
        if seconds % length == 0:
            return f"{seconds // length}{unit}"
    return f"{seconds}s"
