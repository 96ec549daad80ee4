"""What a materialisation was made from, as one short text that a backfill can compare.

What belongs here: the digest. What does not: deciding whether a day is done (``done``).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from ohlcv_assets.orchestration.names import CODE_VERSIONS, TRADES


def identity(name: str, fingerprint: Mapping[str, str], store: str) -> str:
    """Return a digest of what an asset's day depends on.

    Parameters
    ----------
    name
        Of the asset, without prefix.
    fingerprint
        Of the day file.
    store
        Name of the store; the files do not depend on it.
    """
    text = json.dumps([dict(fingerprint), "" if name == TRADES else store, CODE_VERSIONS[name]], sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
