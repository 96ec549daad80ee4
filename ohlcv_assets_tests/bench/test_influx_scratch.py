"""Scratch buckets and tokens: there while a benchmark runs, gone afterwards, whatever happens."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, replace

import pytest

from ohlcv_assets.bench.influx_scratch import PREFIX, Scratch
from ohlcv_assets.errors import StoreAccessError, StoreMismatchError
from ohlcv_assets.stores.influxdb.leasing.processes import this_process
from ohlcv_assets_tests.stores.influxdb.fake.server import Fake

pytestmark = pytest.mark.integration


def names(server: Fake) -> set[str]:
    """Return the buckets of benchmarks that a server has."""
    found = (str(bucket.document["name"]) for bucket in server.faults.held.buckets.values())
    return {name for name in found if name.startswith(PREFIX)}


def test_buckets_are_fresh_and_go_at_the_end(fake_server: Fake) -> None:
    """Each bucket has a name of its own; one that is dropped early is gone at once, the others at the end."""
    with Scratch(fake_server.connect()) as scratch:
        first, second = scratch.bucket(), scratch.bucket()
        layout = scratch.layout()
        assert names(fake_server) == {first, second, *(bucket.name for bucket in layout.buckets)} == set(scratch.left)
        scratch.drop(first)
        scratch.drop(first)
        assert first not in names(fake_server)
    assert names(fake_server) == set()
    assert scratch.left == ()


def _interrupted(scratch: Scratch) -> None:
    scratch.bucket()
    scratch.token()
    raise KeyboardInterrupt


def test_ctrl_c_leaves_nothing(fake_server: Fake) -> None:
    """Buckets and tokens are removed when the user interrupts."""
    held = fake_server.faults.held
    before = set(held.tokens)
    with pytest.raises(KeyboardInterrupt), Scratch(fake_server.connect()) as scratch:
        _interrupted(scratch)
    assert names(fake_server) == set()
    assert set(held.tokens) == before


def test_a_peers_token_may_write_and_no_more(fake_server: Fake) -> None:
    """The token that others can see reads nothing, makes nothing, and is no part of a repr."""
    with Scratch(fake_server.connect()) as scratch:
        token = scratch.token().get_secret_value()
        found = fake_server.faults.held.let_in(token)
        assert found is not None
        assert {(right["action"], right["resource"]["type"]) for right in found["permissions"]} == {
            ("write", "buckets")
        }
        assert token not in repr(scratch)


def test_what_cannot_be_removed_is_named(fake_server: Fake) -> None:
    """The user is told which buckets are left, and the tokens are not kept from going by it."""
    scratch = Scratch(fake_server.connect())
    before = set(fake_server.faults.held.tokens)
    scratch.token()
    left = scratch.bucket()
    gone = scratch.bucket()
    fake_server.faults.add("answer", path="/api/v2/buckets", method="DELETE", status=403)
    with pytest.raises(StoreAccessError, match=left) as caught, scratch:
        pass
    assert gone not in str(caught.value)
    assert set(fake_server.faults.held.tokens) == before


def test_a_token_without_rights_is_told_what_to_set(fake_server: Fake) -> None:
    """Who may not make buckets hears of the operator token before anything is loaded."""
    with Scratch(fake_server.connect()) as scratch:
        weak = scratch.token().get_secret_value()
        with pytest.raises(StoreAccessError, match=r"OHLCV_INFLUX_OPERATOR_TOKEN|find the organisation|shows no org"):
            Scratch(fake_server.connect(weak)).bucket()


def _fails(scratch: Scratch) -> None:
    scratch.bucket()
    raise StoreMismatchError("the first error")


def test_an_error_is_not_hidden_by_what_it_leaves(fake_server: Fake) -> None:
    """What ended the benchmark comes through, also where the server lets nothing be removed."""
    fake_server.faults.add("answer", path="/api/v2/buckets", method="DELETE", times=None, status=403)
    with pytest.raises(StoreMismatchError, match="the first error"), Scratch(fake_server.connect()) as scratch:
        _fails(scratch)
    assert names(fake_server) == set(scratch.left) != set()


def test_a_server_that_is_away_is_asked_once(fake_server: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for each of many buckets at the end: the first that does not answer speaks for all."""
    monkeypatch.setattr("ohlcv_assets.bench.influx_scratch._PATIENCE", 0.0)
    scratch = Scratch(fake_server.connect())
    scratch.layout()
    fake_server.faults.add("answer", path="/api/v2/buckets", method="DELETE", times=None, status=503)
    with pytest.raises(StoreAccessError, match="are left on the server"):
        scratch.close()
    assert fake_server.faults.count("/api/v2/buckets", 503) == 1
    assert names(fake_server) == set(scratch.left)


def test_the_next_benchmark_removes_what_a_killed_one_left(fake_server: Fake) -> None:
    """Buckets and tokens of a process that is gone go; those of others, and what others made, stay."""
    held = fake_server.faults.held
    gone, alive = replace(this_process(), started=1.0), this_process()

    def bucket(name: str, description: str) -> str:
        rules: list[Mapping[str, object]] = []
        document = {"orgID": held.id, "name": name, "description": description, "retentionRules": rules}
        fake_server.connect().call("POST", "/api/v2/buckets", doing="make a bucket", document=document)
        return name

    bucket(f"{PREFIX}1_", f"{PREFIX} {json.dumps(asdict(gone))}")
    kept = {
        bucket(f"{PREFIX}2_", f"{PREFIX} {json.dumps(asdict(alive))}"),
        bucket(f"{PREFIX}3_", f"{PREFIX} nobody"),
        bucket(f"{PREFIX}4_", "somebody's own"),
    }
    for number in range(120):
        bucket(f"other {number}", "")
    bucket(f"{PREFIX}5_", f"{PREFIX} {json.dumps(asdict(gone))}")
    before = set(held.tokens)
    Scratch(fake_server.connect()).token()
    (left,) = set(held.tokens) - before
    held.tokens[left]["description"] = f"{PREFIX} {json.dumps(asdict(gone))}"
    with Scratch(fake_server.connect()):
        assert names(fake_server) == kept
    assert set(held.tokens) == before
