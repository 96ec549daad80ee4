"""Looking at a server: can it be reached, may we do what we must, is it as the settings say, is it well.

What belongs here: the looks and their order. What does not: calls (``administration``), tokens (``token_looks``),
tasks (``task_looks``), reading the metrics page (``vitals``), showing findings (``cli.influx``).

Nothing is left behind: what a look writes, it takes away again.
"""

from __future__ import annotations

import datetime as dt
import email.utils
import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

import urllib3

from ohlcv_assets.errors import StoreError
from ohlcv_assets.stores.influxdb.admin.administration import Administration
from ohlcv_assets.stores.influxdb.admin.buckets import difference, span
from ohlcv_assets.stores.influxdb.admin.canary import fly
from ohlcv_assets.stores.influxdb.admin.checkup import TRADE_BYTES, Finding, Patient, State
from ohlcv_assets.stores.influxdb.admin.envfile import is_open
from ohlcv_assets.stores.influxdb.admin.task_looks import look_at_tasks
from ohlcv_assets.stores.influxdb.admin.token_looks import look_at_tokens
from ohlcv_assets.stores.influxdb.admin.vitals import Vitals, read_vitals
from ohlcv_assets.stores.influxdb.connection import Connection
from ohlcv_assets.stores.influxdb.failures import Reply, failure_of_exception

TRIED: Final = "2.9.1"
"""The version that this project was measured and tested on."""

YEAR_BYTES: Final = 300_000_000 * TRADE_BYTES
"""What the year of the default dataset takes."""

SKEW_WARNED, SKEW_FAILED = 2.0, 60.0
QUEUED_WARNED: Final = 20
CACHE_WARNED: Final = 512 * 1024**2
"""Half of what the server lets one shard's cache take before it refuses writes."""

LEAST_FREE: Final = 1_000_000_000
SOON: Final = dt.timedelta(days=30)
_VERSION: Final = re.compile(r"^v?(\d+)\.(\d+)\.(\d+)")
_DAY: Final = 86_400


def examine(patient: Patient) -> list[Finding]:
    """Look at everything and return what was found, in the order of looking.

    A look that the server breaks off is a finding of its own; without an answer at all nothing else is looked at.
    """
    bare = Connection(replace(patient.address, token=None), size=1)
    hello = _greet(bare)
    if isinstance(hello, Finding):
        return [hello]
    findings = [_reached(patient, hello), _version(hello), _clock(hello)]
    looks = {
        "setup": _first_setup,
        "tokens": look_at_tokens,
        "buckets": _buckets,
        "retention": _retention,
        "storage": _storage,
        "canary": _canary,
        "tasks": look_at_tasks,
        "secrets": _secrets,
    }
    for name, look in looks.items():
        try:
            found = list(look(patient))
        except StoreError as error:
            found = [Finding(name, "fail", str(error).rstrip("."), patient.setup)]
        findings += found
        if name == "setup" and found:
            break
    return findings


@dataclass(frozen=True, slots=True)
class _Hello:
    """A server's answer to a ping: the reply, seconds it took, and our clock half-way."""

    reply: Reply
    seconds: float
    clock: float


def _greet(connection: Connection) -> _Hello | Finding:
    url = connection.address.url
    begun = time.time()
    try:
        reply = connection.send("GET", "/ping")
    except (urllib3.exceptions.HTTPError, OSError) as error:
        text = f"{url}: {failure_of_exception(error)}"
        remedy = "start it (`make up`), or correct OHLCV_INFLUX_URL"
        return Finding("address", "fail", text, remedy)
    ended = time.time()
    if "x-influxdb-version" not in reply.headers:
        return Finding("address", "fail", f"{url} answers, but is no InfluxDB", "correct OHLCV_INFLUX_URL")
    return _Hello(reply, ended - begun, (begun + ended) / 2)


def _reached(patient: Patient, hello: _Hello) -> Finding:
    return Finding("address", "ok", f"{patient.address.url} answers in {hello.seconds * 1000:.0f} ms")


def _version(hello: _Hello) -> Finding:
    told = hello.reply.headers["x-influxdb-version"]
    found = _VERSION.match(told)
    if found is None:
        return Finding("version", "warn", f"{told!r} is no release", f"use {TRIED}, which this was tested on")
    version = f"{found[1]}.{found[2]}.{found[3]}"
    if found[1] != "2":
        text = f"{version} has no buckets, tokens and Flux as InfluxDB 2 has them"
        return Finding("version", "fail", text, f"use InfluxDB {TRIED}")
    if version == "2.9.0":
        text = "2.9.0 can stop compacting on machines of few cores"
        return Finding("version", "warn", text, f"use {TRIED}, which has that corrected")
    if version != TRIED:
        return Finding("version", "warn", f"{version} was not tried", f"use {TRIED}, which this was tested on")
    return Finding("version", "ok", f"{version}, which this was tested on")


def _clock(hello: _Hello) -> Finding:
    told = hello.reply.headers.get("date")
    if told is None:
        return Finding("clock", "warn", "the server does not tell the time", "see whether a proxy removes `Date`")
    # Date is cut to the second.
    skew = email.utils.parsedate_to_datetime(told).timestamp() + 0.5 - hello.clock
    size = abs(skew)
    state: State = "ok" if size <= SKEW_WARNED else "warn" if size <= SKEW_FAILED else "fail"
    if state == "ok":
        return Finding("clock", "ok", "the server's clock and this machine's agree to 2 s")
    text = f"the server's clock is {size:.0f} s {'ahead of' if skew > 0 else 'behind'} this machine's"
    return Finding("clock", state, text, "set both by NTP: retention and leases go by the server's clock")


def _first_setup(patient: Patient) -> Iterator[Finding]:
    """Yield a finding where there is nothing further to look at yet."""
    if Administration(Connection(replace(patient.address, token=None), size=1)).is_fresh():
        yield Finding("setup", "fail", "the server was never set up", patient.setup)


def _loader(patient: Patient) -> Connection | None:
    """Return a connection as the loader has it; without its token there is a finding already."""
    token = patient.tokens.get("load")
    return None if token is None else Connection(replace(patient.address, token=token), size=1)


def _buckets(patient: Patient) -> Iterator[Finding]:
    loader = _loader(patient)
    if loader is None:
        return
    admin = Administration(loader)
    for bucket in patient.layout.buckets:
        name = f"bucket {bucket.name}"
        place = admin.sees_bucket(bucket.name)
        if place is None:
            yield Finding(name, "fail", "it is not there, or the token may not read it", patient.setup)
            continue
        what = difference(bucket, place.bucket)
        if what is None:
            kept = "for ever" if bucket.retention == 0 else f"for {span(bucket.retention)}"
            yield Finding(name, "ok", f"keeps points {kept}, in shards of {span(bucket.shard)}")
        else:
            remedy = f"{patient.repair} sets what the settings say, or correct the settings"
            yield Finding(name, "warn", f"it {what}", remedy)


def _retention(patient: Patient) -> Iterator[Finding]:
    """Compare the dataset's first day with what the bucket of trades keeps, by the server's clock."""
    loader = _loader(patient)
    place = None if loader is None else Administration(loader).sees_bucket(patient.layout.trades.name)
    if loader is None or place is None:
        return
    kept = place.bucket.retention
    if patient.days is None or kept == 0:
        why = "there is no dataset yet" if patient.days is None else "trades are kept for ever"
        yield Finding("retention", "ok", f"{why}, no day is too old")
        return
    first, last = patient.days
    now = dt.datetime.fromtimestamp(loader.server_time(), dt.UTC)
    begin = now - dt.timedelta(seconds=kept)
    start = dt.datetime.combine(first, dt.time(), dt.UTC)
    remedy = _longer(patient, now - start)
    if start < begin:
        what = "all days" if last < begin.date() else f"days before {begin:%Y-%m-%d}"
        yield Finding("retention", "fail", f"{what} of the dataset are older than what is kept ({span(kept)})", remedy)
    elif start - begin < SOON:
        left = (start - begin).days
        yield Finding("retention", "warn", f"the first day, {first}, is deleted in {left} days", remedy)
    else:
        yield Finding("retention", "ok", f"the first day, {first}, is kept until {first + dt.timedelta(kept // _DAY)}")


def _longer(patient: Patient, age: dt.timedelta) -> str:
    """Say what keeps a day of some age: the settings as they are, or longer ones."""
    wanted = patient.layout.trades.retention
    least = age + SOON
    if wanted == 0 or wanted >= least.total_seconds():
        return f"{patient.repair} sets what the settings say, which is enough"
    return f"set OHLCV_INFLUX_RETENTION to 0 (for ever) or to more than {least.days}d, then {patient.repair}"


def _storage(patient: Patient) -> Iterator[Finding]:
    vitals = read_vitals(Connection(replace(patient.address, token=None), size=1))
    if vitals is None:
        remedy = "let it (unset `metrics-disabled`, let the proxy pass /metrics) for looks at compaction and disk"
        yield Finding("storage", "warn", "the server does not tell its metrics", remedy)
        return
    yield _compaction(vitals)
    yield _memory(vitals)
    yield _disk(patient, vitals)


def _compaction(vitals: Vitals) -> Finding:
    told = f"{vitals.queued} compactions wait, {vitals.active} run"
    if vitals.failed > 0:
        text = f"{told}, {vitals.failed} failed since the server started"
        return Finding("compaction", "warn", text, "see the server's log (`make logs`) for the reason")
    if vitals.queued > QUEUED_WARNED:
        remedy = "let it catch up before you measure; reading is slower and takes more disk until then"
        return Finding("compaction", "warn", told, remedy)
    return Finding("compaction", "ok", told)


def _memory(vitals: Vitals) -> Finding:
    told = f"the fullest cache of a shard holds {_size(vitals.cache_bytes)}"
    if vitals.cache_bytes > CACHE_WARNED:
        remedy = "load slower (OHLCV_MAX_ROWS_PER_SECOND) or lower `storage-cache-snapshot-memory-size`"
        return Finding("cache", "warn", f"{told}, half of what makes it refuse writes", remedy)
    if vitals.dropped > 0:
        remedy = "`ohlcv verify` says which days are not whole"
        return Finding("cache", "warn", f"{told}; {vitals.dropped:,} points were refused since the start", remedy)
    return Finding("cache", "ok", told)


def _disk(patient: Patient, vitals: Vitals) -> Finding:
    used = vitals.disk_bytes + vitals.wal_bytes
    told = f"all buckets take {_size(used)}, a year of 300 million trades takes about {_size(YEAR_BYTES)}"
    if vitals.engine_path is None or not vitals.engine_path.is_dir():
        return Finding("disk", "ok", f"{told}; its free room cannot be seen from here (`df` there tells it)")
    free = shutil.disk_usage(vitals.engine_path).free
    told = f"{told}; {_size(free)} are free"
    remedy = "free some, or move the server's data to a larger disk"
    if free < LEAST_FREE:
        return Finding("disk", "fail", told, remedy)
    wanted = max(0, patient.expected_bytes - used)
    if free < wanted:
        return Finding("disk", "warn", f"{told}, the dataset takes about {_size(wanted)} more", remedy)
    return Finding("disk", "ok", told)


def _size(count: float) -> str:
    for limit, unit in ((10**9, "GB"), (10**6, "MB")):
        if count >= limit:
            return f"{count / limit:.1f} {unit}"
    return f"{count / 1000:.0f} kB"


def _canary(patient: Patient) -> Iterator[Finding]:
    loader = _loader(patient)
    if loader is None:
        return
    seconds = fly(loader, patient.layout.status.name)
    yield Finding("canary", "ok", f"a point was written, read and deleted in {seconds * 1000:.0f} ms")


def _secrets(patient: Patient) -> Iterator[Finding]:
    if patient.env_file is not None and is_open(patient.env_file):
        text = f"others than its owner may read {patient.env_file.name}, which holds tokens"
        yield Finding("secrets", "warn", text, f"chmod 600 {patient.env_file}")
