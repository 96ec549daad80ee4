"""Dagster's home: the folder of its history and its configuration.

What belongs here: where it is, making it ready. What does not: what is recorded in it.
``python -m ohlcv_assets.orchestration.home FOLDER`` makes it ready and writes its place into ``.env``, so that commands
typed by hand find it.
"""

from __future__ import annotations

import os
import shutil
import sys
from importlib.resources import as_file, files
from pathlib import Path
from typing import Final

from dagster import DagsterInstance
from filelock import FileLock

from ohlcv_assets.lake.machine import machine_errors
from ohlcv_assets.settings import ENV_FILE, Settings

HOME_VARIABLE: Final = "DAGSTER_HOME"
_CONFIG: Final = "dagster.yaml"


def home_of(settings: Settings) -> Path:
    """Return Dagster's home: ``$DAGSTER_HOME``, or a folder of the data folder."""
    given = os.environ.get(HOME_VARIABLE)
    return Path(given).absolute() if given else settings.data_dir.absolute() / "dagster_home"


def prepare_home(home: Path) -> Path:
    """Make a home ready: folder, configuration if there is none, databases; return it.

    Two processes that make the databases of one home at the same time can break it, so one does and the others wait.

    Raises
    ------
    MachineError
        The machine does not let us.
    """
    with machine_errors("make Dagster's home ready", home):
        home.mkdir(parents=True, exist_ok=True)
        with FileLock(home / ".prepare.lock"):
            config = home / _CONFIG
            if not config.exists():
                with as_file(files(__package__) / _CONFIG) as template:
                    shutil.copyfile(template, config)
            with DagsterInstance.from_config(str(home)) as instance:
                instance.get_runs_count()
    return home


def write_env(home: Path, env: Path) -> bool:
    """Write ``DAGSTER_HOME`` into an ``.env`` file unless it says so already; return whether it was changed."""
    lines = env.read_text(encoding="utf-8").splitlines() if env.exists() else []
    line = f'{HOME_VARIABLE}="{home}"'
    kept = [old for old in lines if not old.startswith(f"{HOME_VARIABLE}=")]
    if [*kept, line] == lines:
        return False
    env.write_text("\n".join([*kept, line]) + "\n", encoding="utf-8")
    return True


def main() -> None:
    """Make the home named by the first argument ready and note it in ``.env``."""
    home = prepare_home(Path(sys.argv[1]).absolute())
    write_env(home, Path(ENV_FILE))


if __name__ == "__main__":  # pragma: no cover -- tests call main
    main()
