"""The machine and the versions behind a figure.

What belongs here: describing where a measurement was made. What does not: measuring.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import psutil

PACKAGES = (
    "ohlcv-assets",
    "dagster",
    "duckdb",
    "influxdb-client",
    "numba",
    "numpy",
    "pandas",
    "polars",
    "pyarrow",
    "urllib3",
)


@dataclass(frozen=True, slots=True)
class Machine:
    """Where a figure was measured.

    Attributes
    ----------
    processor
        Model name, as the operating system tells it.
    cores
        Logical cores this process may use.
    memory_gib
        Main memory in GiB.
    system
        Operating system and release.
    python
        Python's version.
    packages
        Versions of the packages that matter for speed.
    """

    processor: str
    cores: int
    memory_gib: float
    system: str
    python: str
    packages: Mapping[str, str]

    def line(self) -> str:
        """Return everything as one line of text."""
        packages = ", ".join(f"{name} {number}" for name, number in self.packages.items())
        return (
            f"{self.processor}, {self.cores} cores, {self.memory_gib:.0f} GiB, {self.system}, "
            f"Python {self.python}; {packages}"
        )


def processor_name(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """Return the processor's model name; the architecture where the system does not tell more."""
    if cpuinfo.is_file():
        for line in cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def this_machine() -> Machine:
    """Describe the machine this process runs on."""
    return Machine(
        processor=processor_name(),
        cores=psutil.cpu_count() or 1,
        memory_gib=psutil.virtual_memory().total / 2**30,
        system=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
        packages={name: version(name) for name in PACKAGES},
    )
