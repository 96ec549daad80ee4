"""PURE. Resolutions, the roll-up from trades, composition of bars from bars, their invariants.

What belongs here: what a bar is and how it comes from trades. What does not: where bars are kept (``stores``).
"""
