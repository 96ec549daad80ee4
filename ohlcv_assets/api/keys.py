"""Keys that let programs in: made once, kept as hashes, revoked at any time.

What belongs here: the file of keys and looking one up. What does not: what a role may do (``gate``), the commands
(``cli.keys``).

A key is ``ohlcv_<id>_<secret>``; the file holds the id, a name, the role and the SHA-256 of the secret. The secret has
256 random bits, so a slow hash would protect nothing and cost every request. A running service sees changes of the file
within a second.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal, get_args

from filelock import FileLock

from ohlcv_assets.errors import SettingsError, UserError
from ohlcv_assets.lake.machine import machine_errors

Role = Literal["read", "write", "admin"]
"""Each may do what those before it may."""

ROLES: Final[tuple[Role, ...]] = get_args(Role)
FILE: Final = "keys.json"
_FORM: Final = re.compile(r"ohlcv_([0-9a-f]{8})_([A-Za-z0-9_\-]{43})")
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._\-]{0,62}")
_LOOK: Final = 1.0
"""Seconds between two looks at the file."""

_NOBODY: Final = hashlib.sha256(b"").hexdigest()


@dataclass(frozen=True, slots=True)
class Key:
    """What is kept of a key.

    Attributes
    ----------
    id
        Eight hexadecimal digits; no secret.
    name
        For people: who uses it.
    role
        What it allows.
    created
        When it was made, RFC 3339.
    hash
        SHA-256 of its secret in hexadecimal digits.
    """

    id: str
    name: str
    role: Role
    created: str
    hash: str


class KeyFile:
    """The keys of a data folder; safe to use from several threads and processes.

    Parameters
    ----------
    path
        The file; none is no keys.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._looked = -_LOOK
        self._seen: tuple[int, int] | None = None
        self._keys: Mapping[str, Key] = {}

    def keys(self) -> tuple[Key, ...]:
        """Return the keys, oldest first.

        Raises
        ------
        SettingsError
            The file cannot be read.
        """
        try:
            text = self._path.read_text("utf-8")
        except FileNotFoundError:
            return ()
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(
                f"The file of keys {self._path} cannot be read ({error}); correct or remove it."
            ) from None
        try:
            return tuple(Key(**entry) for entry in json.loads(text)["keys"])
        except (ValueError, LookupError, TypeError):
            raise SettingsError(f"The file of keys {self._path} is damaged; remove it and make new keys.") from None

    def create(self, name: str, role: str) -> tuple[Key, str]:
        """Make a key; its text is returned here and never again.

        Raises
        ------
        UserError
            The name or the role cannot be used.
        MachineError
            The file cannot be written.
        """
        if _NAME.fullmatch(name) is None:
            raise UserError("A key's name has 1 to 63 letters, digits, spaces, dots, dashes and underscores.")
        known = next((one for one in ROLES if one == role), None)
        if known is None:
            raise UserError(f"There is no role {role!r}; choose one of {', '.join(ROLES)}.")
        secret = secrets.token_urlsafe(32)
        made = Key(secrets.token_hex(4), name, known, datetime.now(UTC).isoformat(timespec="seconds"), _hash(secret))
        with self._changing():
            self._write((*self.keys(), made))
        return made, f"ohlcv_{made.id}_{secret}"

    def revoke(self, which: str) -> Key:
        """Take a key back, by its id.

        Raises
        ------
        UserError
            There is none of that id.
        """
        with self._changing():
            keys = self.keys()
            found = next((key for key in keys if key.id == which), None)
            if found is None:
                raise UserError(f"There is no key {which!r}; `ohlcv keys list` shows the ids.")
            self._write(tuple(key for key in keys if key.id != which))
        return found

    def find(self, text: str) -> Key | None:
        """Return the key that a text is; None where it is none. Takes as long for wrong ones as for right ones."""
        match = _FORM.fullmatch(text)
        known = self._current().get(match[1]) if match is not None else None
        secret = match[2] if match is not None else text
        same = hmac.compare_digest(_hash(secret), _NOBODY if known is None else known.hash)
        return known if same else None

    def _current(self) -> Mapping[str, Key]:
        """Return the keys by id, read again where the file has changed."""
        with self._lock:
            now = time.monotonic()
            if now - self._looked >= _LOOK:
                self._looked = now
                try:
                    status = self._path.stat()
                    seen: tuple[int, int] | None = (status.st_mtime_ns, status.st_ino)
                except OSError:
                    seen = None
                if seen != self._seen:
                    try:
                        self._keys = {key.id: key for key in self.keys()}
                    except SettingsError:
                        self._keys = {}  # Nobody is let in by a file that cannot be read.
                    self._seen = seen
            return self._keys

    def _changing(self) -> FileLock:
        with machine_errors("keep keys", self._path):
            self._path.parent.mkdir(parents=True, exist_ok=True)
        return FileLock(self._path.with_name(self._path.name + ".lock"), timeout=10)

    def _write(self, keys: tuple[Key, ...]) -> None:
        fresh = self._path.with_name(self._path.name + ".new")
        with machine_errors("keep keys", self._path):
            fresh.touch(mode=0o600)
            fresh.write_text(json.dumps({"keys": [asdict(key) for key in keys]}, indent=1) + "\n", "utf-8")
            fresh.replace(self._path)


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
