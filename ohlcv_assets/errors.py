"""Every error this package raises on purpose, under one root.

What belongs here: one class per cause a caller may want to tell apart. What does not: wording, which is written where
the error is raised, as one sentence that says what is wrong, where, and what to do.

    OhlcvError
    ├── UserError                    the request cannot be carried out as it was made
    │   ├── SettingsError            a setting, or several, cannot be used
    │   ├── UniverseError            universe.toml has a mistake
    │   ├── PlanError                the year cannot be planned as asked
    │   ├── StrategyError            no strategy of that name
    │   ├── UnknownSymbolError       the dataset has no such symbol
    │   ├── OutsideDatasetError      a day or instant that the dataset does not cover
    │   ├── InvalidDateError         text that is no date or instant
    │   ├── DatasetError             no such dataset, or one that cannot be used so
    │   └── ImportFileError          an exchange file that cannot be read as asked
    ├── LakeError                    the day files
    │   ├── MissingDayFileError      no file for that day
    │   ├── DamagedDayFileError      a file that cannot be read, or whose content is not what its footer says
    │   ├── ForeignDayFileError      a readable Parquet file that this project did not write
    │   └── StaleDayFileError        a file of another plan, seed, generator or schema
    ├── StoreError                   the store of trades and bars
    │   ├── StoreBusyError           somebody else held the store for too long
    │   ├── StoreMismatchError       the store does not hold what was written
    │   ├── StoreRejectedError       the store refused data: a type conflict, an instant outside its retention
    │   ├── StoreAccessError         wrong token, missing right, organisation or bucket: waiting does not help
    │   ├── StoreUnavailableError    the store did not answer, or was overloaded, for longer than the deadline
    │   ├── StoreQueryError          a question that the store did not answer
    │   └── UnprovedDayError         bars were asked of a day whose trades are not proved
    ├── ServiceError             a running service did not answer, or refused what it was sent
    └── MachineError                 disk full, folder not writable, too little room
"""

from __future__ import annotations

__all__ = [
    "DamagedDayFileError",
    "DatasetError",
    "ForeignDayFileError",
    "ImportFileError",
    "InvalidDateError",
    "LakeError",
    "MachineError",
    "MissingDayFileError",
    "OhlcvError",
    "OutsideDatasetError",
    "PlanError",
    "ServiceError",
    "SettingsError",
    "StaleDayFileError",
    "StoreAccessError",
    "StoreBusyError",
    "StoreError",
    "StoreMismatchError",
    "StoreQueryError",
    "StoreRejectedError",
    "StoreUnavailableError",
    "StrategyError",
    "UniverseError",
    "UnknownSymbolError",
    "UnprovedDayError",
    "UserError",
]


class OhlcvError(Exception):
    """Root of every error raised on purpose; its text is one sentence for the user."""


class UserError(OhlcvError):
    """The request cannot be carried out as it was made."""


class SettingsError(UserError):
    """A setting, or several, cannot be used."""


class UniverseError(UserError):
    """``universe.toml`` has a mistake; the text names file, symbol and field."""


class PlanError(UserError):
    """The year cannot be planned as asked."""


class StrategyError(UserError):
    """No strategy of that name."""


class UnknownSymbolError(UserError):
    """The dataset has no such symbol."""


class OutsideDatasetError(UserError):
    """A day or instant that the dataset does not cover."""


class InvalidDateError(UserError):
    """Text that is no date or instant."""


class DatasetError(UserError):
    """No such dataset, or one that cannot be used so."""


class ImportFileError(UserError):
    """An exchange file that cannot be read as asked; the text names file and line."""


class LakeError(OhlcvError):
    """The day files."""


class MissingDayFileError(LakeError):
    """No file for that day."""


class DamagedDayFileError(LakeError):
    """A file that cannot be read, or whose content is not what its footer says."""


class ForeignDayFileError(LakeError):
    """A readable Parquet file that this project did not write."""


class StaleDayFileError(LakeError):
    """A file made from another plan, seed, generator or schema than the one in force."""


class StoreError(OhlcvError):
    """The store of trades and bars."""


class StoreBusyError(StoreError):
    """Somebody else held the store for longer than the configured patience."""


class StoreMismatchError(StoreError):
    """The store does not hold what was written into it."""


class StoreRejectedError(StoreError):
    """The store refused data for what they are: a type conflict, an instant outside its retention, a bad value."""


class StoreAccessError(StoreError):
    """Wrong token, missing right, organisation or bucket: only whoever runs it can help, waiting cannot."""


class StoreUnavailableError(StoreError):
    """The store did not answer, or was overloaded, for longer than the deadline."""


class StoreQueryError(StoreError):
    """A question that the store did not answer, even in smaller parts."""


class UnprovedDayError(StoreError):
    """Bars were asked of a day whose trades are not proved to be in the store."""


class ServiceError(OhlcvError):
    """A running service did not answer, or refused what it was sent."""


class MachineError(OhlcvError):
    """Disk full, folder not writable, too little room."""
