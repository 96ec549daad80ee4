"""How quickly the HTTP service answers, asked over its socket by another process.

What belongs here: a load generator and what it is pointed at. What does not: the service (``api``). ``run`` is the way
in.
"""
