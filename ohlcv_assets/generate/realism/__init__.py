"""PURE. The stylised facts of trades and returns, measured on what the generator made and held against gates.

What belongs here: observing trades, statistics, gates and verdicts. What does not: making trades, printing tables.
"""

from ohlcv_assets.generate.realism.gates import expected_failures
from ohlcv_assets.generate.realism.report import Report, Row, measure

__all__ = ["Report", "Row", "expected_failures", "measure"]
