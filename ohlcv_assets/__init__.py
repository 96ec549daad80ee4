"""A year of trades: generated or imported, filed as Parquet, stored, rolled up to OHLCV bars, and proved."""
