"""Trades as they come: running bars, and who is told of them.

What belongs here: what happens to a trade after it was stored. What does not: HTTP (``api``), bars (``bars``).
"""
