"""Bars made by the server itself, of the trades and bars it holds.

What belongs here: the Flux that makes bars, and having it run for a day. What does not: tasks that run it regularly.
"""
