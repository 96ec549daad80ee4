"""What a look at a server gives, and what it looks at.

What belongs here: findings and the patient. What does not: looking (``doctor`` and the ``look_...`` modules).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from pydantic import SecretStr

from ohlcv_assets.stores.influxdb.admin.rights import Role
from ohlcv_assets.stores.influxdb.connection import Address
from ohlcv_assets.stores.influxdb.layout import Layout

State = Literal["ok", "warn", "fail"]


def setup_command(dataset: str, *options: str) -> str:
    """Return the command that sets up a dataset's buckets, as one types it."""
    return _command(dataset, "influx setup", *options)


def _command(dataset: str, *words: str) -> str:
    before = () if dataset == "default" else ("--dataset", dataset)
    return f"`{' '.join(('ohlcv', *before, *words))}`"


TRADE_BYTES: Final = 20
"""What a trade takes on disk with its bars, rounded up: 16 measured, and room for files that are being compacted."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of a look at a server.

    Attributes
    ----------
    name
        What was looked at.
    state
        ``"ok"``, ``"warn"`` or ``"fail"``.
    text
        What was found.
    remedy
        What to do; empty where all is well.
    """

    name: str
    state: State
    text: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Patient:
    """What is looked at.

    Attributes
    ----------
    address
        Where the server is; its token is not used.
    layout
        The buckets as they should be.
    dataset
        The dataset that they are for.
    tokens
        The tokens there are, by role.
    operator
        The operator token; without it rights are tried instead of read.
    days
        First and last day of the dataset; None where there is no dataset yet.
    expected_bytes
        What the whole dataset takes on the server's disk; 0 where that is not known.
    env_file
        A file with tokens that nobody else should read; None for none.
    """

    address: Address
    layout: Layout
    dataset: str = "default"
    tokens: Mapping[Role, SecretStr] = field(default_factory=dict)
    operator: SecretStr | None = None
    days: tuple[dt.date, dt.date] | None = None
    expected_bytes: int = 0
    env_file: Path | None = None

    @property
    def setup(self) -> str:
        """The command that makes what is missing."""
        return f"run {setup_command(self.dataset)}"

    @property
    def repair(self) -> str:
        """The command that changes what differs."""
        return setup_command(self.dataset, "--repair")

    def command(self, *words: str) -> str:
        """Return a command about the dataset, as one types it."""
        return _command(self.dataset, *words)
