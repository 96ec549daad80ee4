"""Exchange files of two symbols, and importing them, for the tests of imports."""

from __future__ import annotations

import datetime as dt
import zipfile
from pathlib import Path

from ohlcv_assets.lake.dataset import dataset_folder
from ohlcv_assets.lake.importing import import_files
from ohlcv_assets.lake.report import ImportReport
from ohlcv_assets.units import day_start

FIRST = dt.date(2024, 1, 2)
LAST = dt.date(2024, 1, 4)
MS = day_start(FIRST) // 10**6
DAY_MS = 86_400_000


def binance_row(identity: int, price: float, amount: float, ms: int, maker: str = "true") -> str:
    """Return a row of a Binance trade file; ``ms`` counts from the first day's midnight."""
    return f"{identity},{price},{amount},1,{MS + ms},{maker}\n"


def run(files: list[Path], data: Path, name: str = "mine", **options: object) -> ImportReport:
    """Import into a data folder."""
    return import_files(files, dataset_folder(data, name), name=name, **options)  # type: ignore[arg-type]  # short form


def exchange_files(tmp_path: Path) -> list[Path]:
    """Two symbols over three days with nothing on the second, with everything that has to be dealt with."""
    folder = tmp_path / "downloads"
    folder.mkdir()
    plain = folder / "BTCUSDT-trades-2024-01.csv"
    plain.write_text(
        binance_row(2, 42000.5, 0.25, 1)
        + binance_row(1, 42000.25, 0.125, 1, "false")
        + binance_row(3, 42001, 1, 5)
        + binance_row(3, 42001, 1, 5)
        + binance_row(4, 42002, 1, 4)
        + binance_row(9, 42010, 1, 2 * DAY_MS)
    )
    kraken = f"{MS // 1000}.000000001,7.123,10\n{MS // 1000}.5,7.2,20\n{MS // 1000}.25,7.1,30\n"
    with zipfile.ZipFile(folder / "kraken.zip", "w", zipfile.ZIP_DEFLATED) as out:
        out.writestr("history/ADAUSD.csv", kraken)
    return [plain, folder / "kraken.zip"]
