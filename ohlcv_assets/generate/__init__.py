"""PURE. Trades of a (seed, symbol, day), alone and reproducibly; strategies; the realism statistics.

What belongs here: price, arrival and size models and the kernels that run them. What does not: Arrow, Parquet, Dagster.
"""
