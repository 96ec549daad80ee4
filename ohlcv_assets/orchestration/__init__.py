"""Dagster only: partitions, assets, checks, jobs, resources, and the warm backfill runner.

What belongs here: thin wrappers that run ``pipeline`` steps and record what they did. What does not: the steps.
"""
