"""PURE. Is what is stored what was filed? Each function returns a verdict with its evidence.

What belongs here: comparisons of Arrow tables and mappings. What does not: fetching them (``pipeline``), showing them
(Dagster, CLI).
"""
