"""Writing line protocol, fast and whatever happens on the way.

What belongs here: everything between bodies of line protocol and their acknowledgement by the server: waiting, sending,
sending again, slowing down, counting. What does not: making the bodies (``lines``), deciding what is written
(``trades``, ``bars``).
"""

from __future__ import annotations

from ohlcv_assets.stores.influxdb.writer.plan import LoadPlan
from ohlcv_assets.stores.influxdb.writer.story import WriteStory
from ohlcv_assets.stores.influxdb.writer.writer import Writer

__all__ = ["LoadPlan", "WriteStory", "Writer"]
