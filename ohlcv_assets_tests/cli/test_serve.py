"""`ohlcv serve` and `ohlcv keys`."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from ohlcv_assets.api import serving
from ohlcv_assets.api.keys import KeyFile
from ohlcv_assets_tests.commands import Ohlcv
from ohlcv_assets_tests.secrets_guard import keep_secret

pytestmark = pytest.mark.integration


@pytest.fixture(name="started")
def _started(monkeypatch: pytest.MonkeyPatch) -> list[Any]:  # Any: what servers are started with
    """Start no server, and remember with what it would have been."""
    seen: list[Any] = []  # Any: as above

    def run(app: Any, listener: socket.socket, _: Any) -> None:  # Any: an application, and what is done beside it
        seen.append(app)
        listener.close()
        app.state.service.pool.close()

    monkeypatch.setattr(serving, "run", run)

    def run_reloading(listener: socket.socket, overrides: Mapping[str, object]) -> None:
        listener.close()
        seen.append(overrides)

    monkeypatch.setattr(serving, "run_reloading", run_reloading)
    return seen


def test_it_says_where_it_is(ohlcv: Ohlcv, started: list[Any]) -> None:  # Any: as above
    """Address and documentation, on standard error; options outrank settings."""
    done = ohlcv("serve", "--port", "0")
    assert (done.code, done.out) == (0, "")
    assert "Serving dataset default: the chart at http://127.0.0.1:" in done.err
    assert "key" not in done.err
    settings = started[0].state.service.settings
    assert (settings.serve_host, settings.serve_port) == ("127.0.0.1", 0)


def test_it_says_that_keys_are_needed(ohlcv: Ohlcv, started: list[Any], tmp_path: Path) -> None:  # Any: as above
    """Where others can ask and nobody has a key."""
    arguments = (
        "--set",
        f"data_dir={tmp_path / 'data'}",
        "--set",
        "store=memory",
        "serve",
        "--host",
        "0.0.0.0",  # noqa: S104 -- the point of it
        "--port",
        "0",
    )
    assert "Reads need a key, and there is none" in " ".join(ohlcv(*arguments).err.split())
    keep_secret(KeyFile(tmp_path / "data" / "keys.json").create("one", "read")[1])
    assert "there is none" not in ohlcv(*arguments).err
    assert len(started) == 2


def test_a_port_that_is_taken_is_refused(ohlcv: Ohlcv) -> None:
    """One sentence, and the code of a refused request."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = ohlcv("serve", "--port", str(taken.getsockname()[1]))
    assert done.code == 2
    assert "choose others with --host and --port" in done.err


def test_reloading_is_for_working_on_it(ohlcv: Ohlcv, started: list[Any]) -> None:  # Any: as above
    """All that was said on the command line goes on to the new process."""
    done = ohlcv("--set", "seed=5", "serve", "--reload", "--port", "0")
    assert (done.code, "Serving dataset default: the chart at http://127.0.0.1:" in done.err) == (0, True)
    assert started == [{"seed": "5", "serve_host": "127.0.0.1"}]


def test_keys_are_made_listed_and_revoked(ohlcv: Ohlcv, copied: Path) -> None:
    """The text is shown once, on standard output alone; afterwards there is only what is known of it."""
    made = ohlcv("keys", "create", "a chart", "--role", "write")
    text = made.out.strip()
    key = KeyFile(copied / "keys.json").find(text)
    assert key is not None
    assert (key.name, key.role) == ("a chart", "write")
    assert "not shown again" in made.err
    listed = ohlcv("keys", "list")
    assert key.id in listed.out
    assert "a chart" in listed.out
    assert text not in listed.out + listed.err
    assert ohlcv("keys", "list", "--json").document == {
        "keys": [{"id": key.id, "name": "a chart", "role": "write", "created": key.created}]
    }
    assert f"The key {key.id} (a chart, write) is revoked." in ohlcv("keys", "revoke", key.id).out
    assert "There are no keys" in ohlcv("keys", "list").err
    refused = ohlcv("keys", "revoke", key.id)
    assert (refused.code, "There is no key" in refused.err) == (2, True)


def test_keys_for_machines(ohlcv: Ohlcv, copied: Path) -> None:
    """One JSON document each."""
    made = ohlcv("keys", "create", "a program", "--json").document
    assert made["key"].startswith("ohlcv_")
    assert (made["name"], made["role"]) == ("a program", "read")
    assert ohlcv("keys", "revoke", made["id"], "--json").document["revoked"]["id"] == made["id"]
    assert KeyFile(copied / "keys.json").keys() == ()
    assert ohlcv("keys", "create", "x", "--role", "root").code == 2
