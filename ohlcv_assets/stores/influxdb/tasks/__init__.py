"""Tasks: what has the server make bars of trades that arrive, by itself.

What belongs here: which tasks there should be, which there are, and making the one the other. What does not: what they
run (``downsampling``).
"""
