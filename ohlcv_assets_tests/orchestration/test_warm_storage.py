"""The event log with connections kept open: what it keeps in mind, and what it stores together."""

from __future__ import annotations

import time

import dagster as dg
import pytest
from dagster import DagsterEvent, EventLogEntry
from dagster._core.events import AssetMaterializationPlannedData, StepMaterializationData

from ohlcv_assets.orchestration.warm_storage import WarmEventLogStorage

pytestmark = pytest.mark.integration
KEY = dg.AssetKey("made")
DAY = "2024-01-05"


@pytest.fixture(name="storage")
def _storage(instance: dg.DagsterInstance) -> WarmEventLogStorage:
    """Return the storage of an empty history."""
    assert isinstance(instance.event_log_storage, WarmEventLogStorage)
    return instance.event_log_storage


def entry(event: DagsterEvent) -> EventLogEntry:
    """Return an event as it is stored."""
    return EventLogEntry(  # type: ignore[no-untyped-call]  # not annotated in Dagster
        error_info=None,
        level=10,
        user_message="",
        run_id="run",
        timestamp=time.time(),
        job_name="job",
        step_key="step",
        dagster_event=event,
    )


def planned(*names: str) -> list[EventLogEntry]:
    """Return the plan to make some assets."""
    data = (AssetMaterializationPlannedData(dg.AssetKey(name), None, None) for name in names)
    return [entry(DagsterEvent.build_asset_materialization_planned_event("job", "step", each)) for each in data]


def made() -> EventLogEntry:
    """Return that an asset was made."""
    data = StepMaterializationData(dg.AssetMaterialization(KEY, partition=DAY))
    return entry(DagsterEvent("ASSET_MATERIALIZATION", "job", step_key="step", event_specific_data=data))


def test_events_are_stored_together_or_not_at_all(
    storage: WarmEventLogStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where one of them cannot be stored none is; afterwards storing goes on as ever."""
    store = WarmEventLogStorage.store_event

    def second_fails(self: WarmEventLogStorage, event: EventLogEntry) -> None:
        if event.dagster_event is not None and event.dagster_event.asset_key == dg.AssetKey("b"):
            raise ValueError("no")
        store(self, event)

    with monkeypatch.context() as patch:
        patch.setattr(WarmEventLogStorage, "store_event", second_fails)
        with pytest.raises(ValueError, match="no"):
            storage.store_event_batch(planned("a", "b"))
    assert storage.get_logs_for_run("run") == []
    assert not storage.has_asset_key(dg.AssetKey("a"))
    storage.store_event_batch(planned("a", "b"))
    storage.store_event(planned("c")[0])
    assert len(storage.get_logs_for_run("run")) == 3
    assert all(storage.has_asset_key(dg.AssetKey(name)) for name in "abc")


def test_tables_that_are_there_stay(storage: WarmEventLogStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is not there is looked for again."""
    assert not storage.has_table("nobody's")
    assert storage.has_table("asset_keys")
    monkeypatch.setattr(storage, "index_connection", None)  # nobody may ask
    assert storage.has_table("asset_keys")


def test_the_latest_materialization(storage: WarmEventLogStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is looked for once for the checks of a step, and again after another one, or after a moment."""
    wanted = dg.AssetRecordsFilter(asset_key=KEY, asset_partitions=[DAY])
    asked: list[object] = []
    look = WarmEventLogStorage._get_event_records_result

    def counted(self: WarmEventLogStorage, *arguments: object) -> dg.EventRecordsResult:
        asked.append(arguments)
        found: dg.EventRecordsResult = look(self, *arguments)  # type: ignore[arg-type]  # whatever they are
        return found

    monkeypatch.setattr(WarmEventLogStorage, "_get_event_records_result", counted)
    assert storage.fetch_materializations(wanted, 1).records == []
    storage.store_event(made())
    first = storage.fetch_materializations(wanted, 1)
    assert storage.fetch_materializations(wanted, 1) is first
    assert len(first.records) == 1
    assert len(asked) == 2
    assert len(storage.fetch_materializations(wanted, 5).records) == 1
    assert len(storage.fetch_materializations(wanted, 5).records) == 1
    assert len(asked) == 4
    monkeypatch.setattr("ohlcv_assets.orchestration.warm_storage._FOUND_FOR", 0.0)
    storage.fetch_materializations(wanted, 1)
    assert len(asked) == 5
