"""A server is set up once; run again nothing changes, and what differs is told or repaired."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest
from pydantic import SecretStr

from ohlcv_assets.errors import SettingsError, StoreAccessError
from ohlcv_assets.stores.influxdb.admin.administration import Administration
from ohlcv_assets.stores.influxdb.admin.buckets import contents
from ohlcv_assets.stores.influxdb.admin.rights import Right, rights_of
from ohlcv_assets.stores.influxdb.admin.setup import OPERATOR, PASSWORD, set_up
from ohlcv_assets.stores.influxdb.admin.tokens import digits
from ohlcv_assets.stores.influxdb.connection import Address, Connection
from ohlcv_assets.stores.influxdb.layout import Bucket
from ohlcv_assets_tests.servers import ORG
from ohlcv_assets_tests.stores.influxdb.fresh import DAY, Kept, fresh_fake, layout, made_fresh

pytestmark = pytest.mark.integration


@pytest.fixture(params=["fake", "real"])
def fresh_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """Return the address of a server that nobody has set up."""
    if request.param == "real":
        own = request.getfixturevalue("own_server")
        made_fresh(own)
        yield own.url
        return
    with fresh_fake() as server:
        yield server.url


@pytest.fixture
def kept() -> Kept:
    """Return a keeper of secrets."""
    return Kept()


def admin_of(url: str, kept: Kept) -> Administration:
    """Return management calls with the operator token that was kept."""
    return Administration(Connection(Address(url, ORG, kept.values[OPERATOR], patience=2), size=1))


def test_a_fresh_server_gets_everything_and_nothing_the_second_time(fresh_url: str, kept: Kept) -> None:
    """User, organisation, buckets with their rules and tokens are made; a second run makes and tells nothing."""
    story = set_up(kept.order(fresh_url), kept)
    assert story.fresh
    assert set(kept.values) == {
        OPERATOR,
        PASSWORD,
        "OHLCV_INFLUX_TOKEN",
        "OHLCV_INFLUX_READ_TOKEN",
        "OHLCV_INFLUX_TASKS_TOKEN",
    }
    assert {"user 'ohlcv'", "operator token", "bucket 'trades'", "load token"} <= set(story.made)
    assert (story.changed, story.drift, story.notes) == ([], [], [])
    places = admin_of(fresh_url, kept).places()
    for bucket in layout().buckets:
        assert places[bucket.name].bucket == bucket
        assert places[bucket.name].description.startswith("ohlcv ")
    before = dict(kept.values)
    again = set_up(kept.order(fresh_url), kept)
    assert (again.fresh, again.made, again.changed, again.drift, again.notes) == (False, [], [], [], [])
    assert kept.values == before


def test_tokens_may_do_what_they_must_and_no_more(fresh_url: str, kept: Kept) -> None:
    """The loader writes and reads, readers read, nobody but the operator manages tokens."""
    set_up(kept.order(fresh_url), kept)
    admin = admin_of(fresh_url, kept)
    tokens = kept.tokens
    for name, readers, writers in (
        ("trades", {"load", "read", "tasks"}, {"load"}),
        ("ohlcv_1m", {"load", "read", "tasks"}, {"load", "tasks"}),
        ("ohlcv_status", {"load", "tasks"}, {"load", "tasks"}),
    ):
        assert {role for role in tokens if admin.sees_bucket(name, tokens[role]) is not None} == readers
        assert {role for role in tokens if admin.may_write(name, tokens[role])} == writers
    for token in tokens.values():
        bare = Connection(Address(fresh_url, ORG, token, patience=2), size=1)
        assert bare.org_id() == admin.org_id()
        assert Administration(bare).authorizations() == []


def test_secrets_given_are_used_and_not_kept_again(fresh_url: str, kept: Kept) -> None:
    """A password and an operator token of one's own become the server's."""
    operator, password = SecretStr("operator-token-of-mine"), SecretStr("password-of-mine")
    set_up(kept.order(fresh_url, operator=operator, password=password), kept)
    assert not {OPERATOR, PASSWORD} & set(kept.values)
    kept({OPERATOR: operator})
    assert admin_of(fresh_url, kept).authorizations() != []


def test_another_dataset_gets_buckets_and_tokens_that_know_them(fresh_url: str, kept: Kept) -> None:
    """New buckets make new tokens, which know the buckets of all datasets; the old ones stay valid and are told."""
    set_up(kept.order(fresh_url), kept)
    old = kept.tokens["load"]
    story = set_up(kept.order(fresh_url, "btc"), kept)
    assert "bucket 'btc_trades'" in story.made
    assert [line.split(":")[0] for line in story.changed] == ["load token", "read token", "tasks token"]
    assert len(story.notes) == 3
    admin = admin_of(fresh_url, kept)
    assert admin.works(old)
    for name in ("trades", "btc_trades"):
        assert admin.may_write(name, kept.tokens["load"])
    for dataset in ("default", "btc"):
        again = set_up(kept.order(fresh_url, dataset), kept)
        assert (again.made, again.changed, again.drift, len(again.notes)) == ([], [], [], 3)


def test_drift_of_a_bucket_is_told_and_repaired(fresh_url: str, kept: Kept) -> None:
    """Another retention or shard duration is named with what to do, and changed only when asked to."""
    set_up(kept.order(fresh_url), kept)
    wanted = layout(retention=400 * DAY, shard=14 * DAY)
    story = set_up(kept.order(fresh_url, layout=wanted), kept)
    assert [drift.name for drift in story.drift] == ["bucket 'trades'"]
    assert "keeps points for 10y" in story.drift[0].text
    assert "has shards of 7d" in story.drift[0].text
    assert "--repair" in story.drift[0].remedy
    assert "deletes what is older" in story.drift[0].remedy
    repaired = set_up(kept.order(fresh_url, layout=wanted, repair=True), kept)
    assert (len(repaired.changed), repaired.drift) == (1, [])
    assert admin_of(fresh_url, kept).places()["trades"].bucket == wanted.trades
    longer = layout(retention=0, shard=14 * DAY)
    assert "deletes" not in set_up(kept.order(fresh_url, layout=longer), kept).drift[0].remedy


def test_a_bucket_that_is_gone_is_made_again(fresh_url: str, kept: Kept) -> None:
    """A new bucket of the old name is another one for tokens, so they are made again too."""
    set_up(kept.order(fresh_url), kept)
    admin = admin_of(fresh_url, kept)
    place = admin.places()["ohlcv_1d"]
    admin._connection.call("DELETE", f"/api/v2/buckets/{place.id}", doing="remove a bucket")
    story = set_up(kept.order(fresh_url), kept)
    assert story.made == ["bucket 'ohlcv_1d'"]
    assert len(story.changed) == 3
    assert admin.may_write("ohlcv_1d", kept.tokens["load"])


def test_a_bucket_made_by_hand_is_taken_over(fresh_url: str, kept: Kept) -> None:
    """A bucket that is there already, as it should be, gets the project's description."""
    set_up(kept.order(fresh_url), kept)
    admin = admin_of(fresh_url, kept)
    admin.make_bucket(Bucket("btc_trades", layout().trades.retention, 7 * DAY), "")
    story = set_up(kept.order(fresh_url, "btc"), kept)
    assert "bucket 'btc_trades': described as the project's" in story.changed
    assert admin.places()["btc_trades"].description == "ohlcv trades of dataset btc"


def test_a_token_that_is_not_accepted_is_told_and_repaired(fresh_url: str, kept: Kept) -> None:
    """A revoked token is drift; repaired, a new one is in its place."""
    set_up(kept.order(fresh_url), kept)
    admin = admin_of(fresh_url, kept)
    old = kept.tokens["load"]
    record = next(found for found in admin.authorizations() if found.description.endswith(digits(old)))
    admin.remove_token(record.id)
    story = set_up(kept.order(fresh_url), kept)
    assert [drift.name for drift in story.drift] == ["OHLCV_INFLUX_TOKEN"]
    assert "not accepted" in story.drift[0].text
    assert kept.tokens["load"] == old
    repaired = set_up(kept.order(fresh_url, repair=True), kept)
    assert repaired.drift == []
    assert kept.tokens["load"] != old
    assert admin.works(kept.tokens["load"])


def test_rights_too_few_and_too_many_are_told_and_repaired(fresh_url: str, kept: Kept) -> None:
    """A token's record is compared right by right; a repaired token's record is removed."""
    set_up(kept.order(fresh_url), kept)
    admin = admin_of(fresh_url, kept)
    buckets = admin.places()
    few = frozenset({Right("read", "buckets", buckets["trades"].id)})
    many = frozenset(Right(action, kind) for action in ("read", "write") for kind in ("buckets", "labels", "tasks"))
    org = frozenset({Right("read", "orgs", admin.org_id())})
    known = {Right("read", "buckets", place.id) for name, place in buckets.items() if name.startswith("ohlcv_1")}
    for role, rights in (("load", few), ("read", many | org | few | known)):
        id_, token = admin.make_token("", rights)
        admin.describe_token(id_, f"ohlcv {role} token {digits(token)}")
        kept({{"load": "OHLCV_INFLUX_TOKEN", "read": "OHLCV_INFLUX_READ_TOKEN"}[role]: token})
    all_bars = {Right("read", "buckets", place.id) for name, place in buckets.items() if name.startswith("ohlcv_")}
    id_, token = admin.make_token("", many | org | few | all_bars)
    admin.describe_token(id_, f"ohlcv tasks token {digits(token)}")
    story = set_up(kept.order(fresh_url), kept)
    texts = {drift.name: drift.text for drift in story.drift}
    assert "lacks rights: " in texts["OHLCV_INFLUX_TOKEN"]
    assert "lacks rights: read bucket 'ohlcv_5m'" in texts["OHLCV_INFLUX_READ_TOKEN"]
    kept({"OHLCV_INFLUX_READ_TOKEN": token})
    admin.describe_token(id_, f"ohlcv read token {digits(token)}")
    story = set_up(kept.order(fresh_url), kept)
    texts = {drift.name: drift.text for drift in story.drift}
    assert "may do more than it needs: " in texts["OHLCV_INFLUX_READ_TOKEN"]
    assert "all tasks" in texts["OHLCV_INFLUX_READ_TOKEN"]
    repaired = set_up(kept.order(fresh_url, repair=True), kept)
    assert repaired.drift == []
    assert not admin.works(token)
    assert set_up(kept.order(fresh_url), kept).drift == []


def test_a_token_of_an_older_version_is_told_and_repaired(fresh_url: str, kept: Kept) -> None:
    """A tasks token from before tasks kept records lacks the rights to: told with what to do, and replaced."""
    set_up(kept.order(fresh_url), kept)
    admin = admin_of(fresh_url, kept)
    status = admin.places()["ohlcv_status"].id
    now = rights_of("tasks", admin.org_id(), contents(layout(), admin.places().values()))
    older = frozenset(right for right in now if right.id != status and right.kind != "labels")
    id_, token = admin.make_token("", older)
    admin.describe_token(id_, f"ohlcv tasks token {digits(token)}")
    kept({"OHLCV_INFLUX_TASKS_TOKEN": token})
    (drift,) = set_up(kept.order(fresh_url), kept).drift
    assert drift.name == "OHLCV_INFLUX_TASKS_TOKEN"
    assert "read all labels, read bucket 'ohlcv_status', write all labels, write bucket 'ohlcv_status'" in drift.text
    assert drift.remedy == "`ohlcv influx setup --repair` puts a new token in its place"
    assert set_up(kept.order(fresh_url, repair=True), kept).drift == []
    assert not admin.works(token)
    assert admin.may_write("ohlcv_status", kept.tokens["tasks"])


def test_a_token_made_elsewhere_is_tried(fresh_url: str, kept: Kept) -> None:
    """Without a record of ours the rights are tried: enough of them is fine, too few is drift."""
    set_up(kept.order(fresh_url), kept)
    admin = admin_of(fresh_url, kept)
    _, strong = admin.make_token("mine", frozenset({Right("read", "buckets"), Right("write", "buckets")}))
    _, weak = admin.make_token("mine", frozenset({Right("read", "buckets")}))
    tokens = {**kept.tokens, "load": strong}
    assert set_up(kept.order(fresh_url, tokens=tokens), kept).drift == []
    story = set_up(kept.order(fresh_url, tokens={**kept.tokens, "load": weak}), kept)
    assert "lacks rights: write bucket" in story.drift[0].text
    assert set_up(kept.order(fresh_url, tokens={**kept.tokens, "load": weak}, repair=True), kept).drift == []
    assert admin.works(weak)


def test_leftovers_of_a_killed_setup_go(fresh_url: str, kept: Kept) -> None:
    """A token that was made and never described is removed: nobody got it."""
    set_up(kept.order(fresh_url), kept)
    admin = admin_of(fresh_url, kept)
    admin.make_token("ohlcv load token unfinished", frozenset({Right("read", "buckets")}))
    assert set_up(kept.order(fresh_url), kept).drift == []
    assert not [found for found in admin.authorizations() if found.description.endswith("unfinished")]


def test_a_server_that_is_set_up_needs_its_operator_token(fresh_url: str, kept: Kept) -> None:
    """Without it nothing is done, and the sentence says what to give."""
    set_up(kept.order(fresh_url), kept)
    before = dict(kept.values)
    with pytest.raises(StoreAccessError, match="OHLCV_INFLUX_OPERATOR_TOKEN"):
        set_up(kept.order(fresh_url, operator=None), kept)
    assert kept.values == before


def test_an_organisation_that_is_missing_is_made(fresh_url: str, kept: Kept) -> None:
    """The operator of a server may set the project up in an organisation of its own."""
    set_up(kept.order(fresh_url), kept)
    order = kept.order(fresh_url, tokens={})
    set_up(replace(order, address=replace(order.address, org="another")), kept)
    admin = Administration(Connection(Address(fresh_url, "another", kept.values[OPERATOR], patience=2), size=1))
    assert admin.may_write("trades", kept.tokens["load"])


def test_whoever_comes_second_gets_no_first_set_up(kept: Kept) -> None:
    """Somebody else may set a server up between our question and our request: we are refused, nothing breaks."""
    with fresh_fake() as server:
        document = {"username": "x", "org": ORG, "bucket": "b", "token": "theirs"}
        server.add("answer", path="/api/v2/setup", status=200, body=json.dumps({"allowed": True}).encode())
        server.held.set_up(document)
        with pytest.raises(StoreAccessError, match="401"):
            set_up(kept.order(server.url), kept)


@pytest.mark.unit
def test_retention_and_shards_must_go_together(kept: Kept) -> None:
    """Shards as long as the retention are refused before anything is asked of the server."""
    order = kept.order("http://127.0.0.1:1", layout=layout(retention=7 * DAY, shard=7 * DAY))
    with pytest.raises(SettingsError, match=r"7d in shards of 7d: give OHLCV_INFLUX_SHARD less"):
        set_up(order, kept)


def test_no_secret_is_told(fresh_url: str, kept: Kept) -> None:
    """Neither the story nor any value's text carries a token or the password."""
    story = set_up(kept.order(fresh_url), kept)
    told = repr(story) + repr(kept.order(fresh_url)) + repr(admin_of(fresh_url, kept).authorizations())
    for secret in kept.values.values():
        assert secret.get_secret_value() not in told
