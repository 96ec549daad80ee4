"""What jobs do to bars: heal them, make them again, check them; what the command line does, watched and cancelled here.

What belongs here: calling the pipeline and turning what it says into endings. What does not: when jobs run (``jobs``),
routes (``native.actions``).

Requests are answered by a project that gives up early, since somebody waits; nobody waits for a job, so it has one with
the patience that the settings have.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from typing import Any, Final

from ohlcv_assets.api.jobs import Ending, Run, Work
from ohlcv_assets.api.service import Service
from ohlcv_assets.bars.resolutions import Resolution
from ohlcv_assets.pipeline.heal import CANCELLED, GivenUp, Healed, heal, remake
from ohlcv_assets.pipeline.verify import Proof, verify_range
from ohlcv_assets.progress import only
from ohlcv_assets.project import Project, open_project

LISTED: Final = 50
"""Days that failed, or checks, that a report lists; it counts them all."""

Days = Sequence[dt.date]


@contextmanager
def patient_project(service: Service, **changes: object) -> Iterator[Project]:
    """Give the project with the patience of the settings, for as long as a job lasts.

    Parameters
    ----------
    service
        Whose.
    changes
        Settings that are others for this job.
    """
    settings = service.settings.model_copy(update=changes)
    if settings.store_in_force == "memory":
        yield replace(service.project, settings=settings)
        return
    project = open_project(settings)
    try:
        yield project
    finally:
        # The embedded store's file is the process's, which the service goes on using.
        if settings.store_in_force == "influxdb":
            for part in (project.trade_store, project.bar_store, project.chunks):
                getattr(part, "close")()  # noqa: B009 -- the protocols have no such method, these stores do


def healing(service: Service, days: Days) -> Work:
    """Return the work of making what is missing or stale."""

    def work(run: Run) -> Ending:
        with patient_project(service) as project:
            watch = only(run.tell, "heal")
            return _ending(heal(project, days, observer=watch, sleep=run.sleep, halted=run.is_cancelled))

    return work


def remaking(service: Service, days: Days, resolutions: Sequence[Resolution]) -> Work:
    """Return the work of making bars again whatever is recorded of them: by the server where it is one."""
    on_server = service.settings.store_in_force == "influxdb"
    changes = {"bar_engine": "influx-task"} if on_server else {}

    def work(run: Run) -> Ending:
        with patient_project(service, **changes) as project:
            watch = only(run.tell, "heal")
            made = remake(project, days, resolutions, observer=watch, sleep=run.sleep, halted=run.is_cancelled)
            return _ending(made)

    return work


def verifying(service: Service, days: Days) -> Work:
    """Return the work of checking everything of some days."""

    def work(run: Run) -> Ending:
        done, proofs = 0, list[Proof]()
        with patient_project(service) as project:
            for _, found in verify_range(project, days, observer=only(run.tell, "check")):
                done += 1
                proofs.extend(found)
                if run.is_cancelled():
                    break
        return _verified(done, len(days), proofs)

    return work


def _ending(healed: Healed) -> Ending:
    report = {
        **asdict(healed),
        "failed": _given_up(healed.failed),
        "busy": _given_up(healed.busy),
        "failed_days": len(healed.failed),
        "busy_days": len(healed.busy),
        "waiting": len(healed.waiting),
    }
    if healed.succeeded:
        return Ending("succeeded", report)
    if healed.stopped == CANCELLED:
        return Ending("cancelled", report, CANCELLED)
    if healed.stopped:
        return Ending("failed", report, healed.stopped)
    first = (healed.failed or healed.busy)[0]
    count = len(healed.failed) + len(healed.busy)
    return Ending("failed", report, f"Days that were not made: {count}; {first.day}: {first.error}")


def _given_up(days: Sequence[GivenUp]) -> list[dict[str, Any]]:  # Any: JSON
    return [{"day": str(one.day), "resolutions": one.resolutions, "error": one.error} for one in days[:LISTED]]


def _verified(done: int, planned: int, proofs: Sequence[Proof]) -> Ending:
    failed = [proof for proof in proofs if not proof.verdict.passed]
    report = {
        "days": done,
        "checks": len(proofs),
        "passed": len(proofs) - len(failed),
        "failed_checks": len(failed),
        "failed": [
            {"day": str(one.day), "asset": one.asset, "check": one.verdict.check, "error": one.verdict.summary}
            for one in failed[:LISTED]
        ],
    }
    if failed:
        first = failed[0]
        words = f"{first.asset}.{first.verdict.check} of {first.day}: {first.verdict.summary}"
        return Ending("failed", report, f"Checks that failed: {len(failed)} of {len(proofs)}; {words}")
    return Ending("succeeded", report) if done == planned else Ending("cancelled", report, CANCELLED)
