"""Which days are done: recorded as made from the right things, proved, and still there.

What belongs here: the decision to skip. What does not: doing.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence

import dagster as dg
from dagster import AssetCheckKey

from ohlcv_assets.orchestration import names
from ohlcv_assets.orchestration.identity import identity
from ohlcv_assets.orchestration.outcome import DayOutcome
from ohlcv_assets.orchestration.partitions import key_of
from ohlcv_assets.pipeline.kinds import BAR_CHECKS, STORED_CHECKS, TRADES_CHECKS
from ohlcv_assets.pipeline.status import DayStatus, status_of
from ohlcv_assets.project import Project

_PAGE = 1000


def done_days(
    project: Project, instance: dg.DagsterInstance, statuses: Sequence[DayStatus]
) -> Mapping[dt.date, DayStatus]:
    """Return the days that need no run, with what is there of them.

    A day is done if file, stored trades and bars are there in full; the latest materialisation of every asset was made
    from the fingerprint in force, in this store, by this code, with the content that the file has; and the latest
    evaluation of every check passed and was of that materialisation.
    """
    left = {status.day: status for status in statuses if status.complete}
    for name in names.DAY_ASSETS:
        if not left:
            return left
        recorded = _latest(project, instance, name, list(left))
        left = {
            day: status
            for day, status in left.items()
            if recorded.get(day) == (_identity(project, name, day), status.content_hash)
        }
    for key in check_keys(project):
        if not left:
            return left
        passed = check_states(instance, key)
        left = {day: status for day, status in left.items() if passed.get(key_of(day), False)}
    return left


def skipped_days(project: Project, instance: dg.DagsterInstance, days: Sequence[dt.date]) -> dict[dt.date, DayOutcome]:
    """Return the days of some that need no run, as what became of them."""
    done = done_days(project, instance, status_of(project, days))
    return {
        day: DayOutcome(day, "skipped", trades=status.stored, file_bytes=status.file_bytes)
        for day, status in done.items()
    }


def check_keys(project: Project) -> list[AssetCheckKey]:
    """Return the keys of all checks of a day."""
    kinds = {names.TRADES: TRADES_CHECKS, names.STORED_TRADES: STORED_CHECKS, **dict.fromkeys(names.BARS, BAR_CHECKS)}
    return [AssetCheckKey(names.key_of(project.dataset, name), kind.name) for name in kinds for kind in kinds[name]]


def check_states(instance: dg.DagsterInstance, key: AssetCheckKey) -> dict[str, bool]:
    """Return for each partition whether the check's latest evaluation passed and is of the latest materialisation.

    Partitions without an evaluation are left out.
    """
    states = {}
    for info in instance.event_log_storage.get_asset_check_partition_info([key]):
        status = info.latest_execution_status.value
        if info.partition_key is not None and status != "PLANNED":
            states[info.partition_key] = status == "SUCCEEDED" and info.is_current
    return states


def _identity(project: Project, name: str, day: dt.date) -> str:
    return identity(name, project.source.fingerprint(day), project.trade_store.name)


def _latest(
    project: Project, instance: dg.DagsterInstance, name: str, days: Sequence[dt.date]
) -> dict[dt.date, tuple[str, str]]:
    """Return identity and data version of the latest materialisation of an asset by day."""
    found: dict[dt.date, tuple[str, str]] = {}
    wanted = dg.AssetRecordsFilter(
        asset_key=names.key_of(project.dataset, name), asset_partitions=[key_of(day) for day in days]
    )
    by_key: dict[str | None, dt.date] = {key_of(day): day for day in days}
    cursor: str | None = None
    while len(found) < len(days):
        page = instance.fetch_materializations(wanted, limit=_PAGE, cursor=cursor)  # newest first
        events = [record.asset_materialization for record in page.records]
        for event in [event for event in events if event is not None and event.partition in by_key]:
            tags = event.tags or {}
            version = tags.get("dagster/data_version", "")
            found.setdefault(by_key[event.partition], (tags.get(names.IDENTITY_TAG, ""), version))
        if not page.has_more:
            break
        cursor = page.cursor
    return found
