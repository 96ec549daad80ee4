"""PURE. Symbols, universe, calendars, the trade schema and its invariants, and the year's plan.

No Dagster, no network, no clock, no environment. Everything above may use this room; it uses only errors and units.
"""
