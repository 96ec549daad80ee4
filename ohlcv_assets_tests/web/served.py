"""The service itself for pages: two symbols, two months of which the last days are not made, on a port that stays.

What belongs here: making the days once, starting and stopping the service as often as a test likes. What does not: the
stand-in, whose bars and bad days are made up (``standin``).
"""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from ohlcv_assets.api.service import Service, open_service
from ohlcv_assets.settings import PREFIX, load_settings
from ohlcv_assets_tests.api.sockets import running
from ohlcv_assets_tests.pipeline.made import make

FIRST: Final = dt.date(2024, 2, 1)
LAST_MADE: Final = dt.date(2024, 3, 29)
"""Good Friday: stocks closed the day before, pairs go on."""

LAST: Final = dt.date(2024, 3, 31)
_UNIVERSE: Final = """
[[symbol]]
name = "AAPL"
asset_class = "stock"
calendar = "XNYS"
tick_size = 0.01
lot_size = 1
round_lot = 100
first_price = 187.15
yearly_volatility = 0.22
activity = 1.0
mean_amount = 75

[[symbol]]
name = "BTC-USD"
asset_class = "crypto"
calendar = "24/7"
tick_size = 0.01
lot_size = 0.00001
round_lot = 0.001
first_price = 42265.19
yearly_volatility = 0.50
activity = 1.0
mean_amount = 0.02
"""


@dataclass
class Served:
    """A service that can be stopped and started, on the same port and the same data.

    Attributes
    ----------
    folder
        Where its data are.
    url, key
        Where it is, and a key of a test's.
    more
        Settings other than those of `settings_of`.
    """

    folder: Path
    url: str = ""
    key: str = ""
    service: Service | None = None
    more: Mapping[str, object] = field(default_factory=dict)
    _port: int = 0
    _running: ExitStack = field(default_factory=ExitStack)

    def start(self) -> None:
        """Start it."""
        self.service = open_service(load_settings(**{**settings_of(self.folder), **self.more}))
        host, self._port = self._running.enter_context(running(self.service, self._port))
        self.url = f"http://{host}:{self._port}/"

    def stop(self) -> None:
        """Stop it, where it runs."""
        self._running.close()


def settings_of(folder: Path) -> dict[str, Any]:  # Any: values of settings
    """Return the settings of a service in a folder."""
    return {
        "data_dir": folder,
        "universe": folder / "universe.toml",
        "start": FIRST,
        "end": LAST,
        "total_trades": 240_000,
        "store": "duckdb",
        "serve_refresh": 0.5,
    }


def write_universe(folder: Path) -> None:
    """Write down the two symbols."""
    (folder / "universe.toml").write_text(_UNIVERSE)


def make_days(folder: Path) -> None:
    """Make every day but the last two."""
    write_universe(folder)
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        del os.environ[name]
    project = open_service(load_settings(**settings_of(folder))).project
    with project.store_kept():
        make(project, *(FIRST + dt.timedelta(days=n) for n in range((LAST_MADE - FIRST).days + 1)))
