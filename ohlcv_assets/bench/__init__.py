"""Benchmarks: figures as ratios to named limits in the same run, with machine, versions and method.

What belongs here: measuring. What does not: anything another room needs.
"""
