"""The steps of a day without Dagster: file it, load it, roll it up, check it.

What belongs here: one function a step, used alike by assets, checks, the command line and the benchmarks.
What does not: Dagster, drawing, deciding which store is used (``project``).
"""
