"""docs/influxdb.md states what the code does: schema, rights, failures, the doctor's lines, variables."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ohlcv_assets.bars.resolutions import BARS
from ohlcv_assets.settings import Settings, variable
from ohlcv_assets.stores.influxdb.admin.doctor import examine
from ohlcv_assets.stores.influxdb.admin.rights import ROLES, Content, rights_of
from ohlcv_assets.stores.influxdb.admin.setup import OPERATOR, set_up
from ohlcv_assets.stores.influxdb.admin.tokens import VARIABLES
from ohlcv_assets.stores.influxdb.failures import Reply, failure_of_reply
from ohlcv_assets.stores.influxdb.layout import BARS_MEASUREMENT, STATUS_BUCKET, TRADES_MEASUREMENT
from ohlcv_assets.stores.influxdb.records import MEASUREMENT
from ohlcv_assets_tests.stores.influxdb.admin.test_doctor import patient
from ohlcv_assets_tests.stores.influxdb.fresh import Kept, fresh_fake

pytestmark = pytest.mark.unit
PAGE = (Path(__file__).parents[1] / "docs" / "influxdb.md").read_text("utf-8")
OF_COMPOSE = {"INFLUXDB_PORT", "INFLUXDB_MEMORY", "INFLUXDB_GOMEMLIMIT", "DAGSTER_PORT"}


def rows(title: str) -> list[list[str]]:
    """Return the cells of a section's first table, without its head."""
    text = PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    table = text.partition("\n|")[2].partition("\n\n")[0]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table.splitlines()[2:]]


def quoted(cell: str) -> list[str]:
    """Return what stands between backticks."""
    return re.findall(r"`([^`]+)`", cell)


def test_the_schema_is_that_of_the_code() -> None:
    """Buckets, measurements, tags and fields are those that are written; durations are the defaults."""
    trades, bars, days, *_ = rows("What is in it")
    assert [quoted(row[1])[0] for row in (trades, bars, days)] == [TRADES_MEASUREMENT, BARS_MEASUREMENT, MEASUREMENT]
    assert quoted(days[0]) == [STATUS_BUCKET]
    assert quoted(trades[3]) == ["price", "amount", "side", "1", "-1"]
    assert quoted(bars[3]) == [name for name in BARS.names if name not in {"symbol", "ts"}]
    for name in ("influx_retention", "influx_shard"):
        assert f"`{variable(name)}` ({Settings.model_fields[name].default})" in trades[5]
    assert f"`{variable('influx_bar_shard')}` ({Settings.model_fields['influx_bar_shard'].default})" in bars[5]


def test_the_rights_are_those_that_are_asked_for() -> None:
    """Of each token the page says which kinds of content it reads and writes, and what of the organisation."""
    told = {quoted(row[0])[0]: row[1] for row in rows("Tokens and rights")}
    assert set(told) == {*VARIABLES.values(), OPERATOR}
    buckets: dict[str, Content] = {"t": "trades", "b": "bars", "r": "records"}
    for role in ROLES:
        text = told[VARIABLES[role]]
        rights = {(right.action, right.kind, right.id) for right in rights_of(role, "o", buckets)}
        kinds = {kind for _, kind, _ in rights}
        assert ("labels" in kinds) == ("labels" in text)
        assert ("tasks" in kinds) == ("tasks" in text)
        assert ("orgs" in kinds) == ("read the organisation" in text)
        assert any(action == "write" and kind == "buckets" for action, kind, _ in rights) == ("write" in text)
        told_of_records = "the project's buckets" in text or STATUS_BUCKET in text
        assert (("write", "buckets", "r") in rights) == told_of_records


@pytest.mark.parametrize(
    ("status", "kind", "does"),
    [
        (408, "transient", "sends the same again"),
        (499, "transient", "sends the same again"),
        (429, "overload", "halves what is in flight"),
        (503, "overload", "halves what is in flight"),
        (504, "overload", "halves what is in flight"),
        (413, "too large", "sends it in two"),
        (400, "rejected", "fails the day"),
        (422, "rejected", "fails the day"),
        (401, "access", "stops at once"),
        (403, "access", "stops at once"),
        (404, "access", "stops at once"),
    ],
)
def test_each_status_does_what_the_page_says(status: int, kind: str, does: str) -> None:
    """The row of a status says what its kind of failure does."""
    assert failure_of_reply(Reply(status, {}, b"{}")).kind == kind
    row = next(row for row in rows("When something goes wrong") if str(status) in re.findall(r"\d{3}", row[0]))
    assert row[2].startswith(does)


def test_the_doctor_says_the_lines_of_the_page() -> None:
    """Every line that the doctor says has its row, and every row is a line it can say."""
    listed = {name for row in rows("`ohlcv influx doctor`") for name in quoted(row[0])}
    kept = Kept()
    with fresh_fake() as server:
        said = {found.name for found in examine(patient(server.url, kept))}
        set_up(kept.order(server.url), kept)
        found = examine(patient(server.url, kept))
    said |= {"bucket ..." if line.name.startswith("bucket ") else line.name for line in found}
    assert said | {"operator token", "secrets", "task ..."} == listed


def test_every_variable_of_the_page_is_one() -> None:
    """A variable that the page names is a setting or one of compose's."""
    known = {variable(name) for name in Settings.model_fields} | OF_COMPOSE
    assert set(re.findall(r"\b(?:OHLCV|INFLUXDB|DAGSTER)_[A-Z_]*[A-Z]\b", PAGE)) <= known
