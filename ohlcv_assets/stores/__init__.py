"""Where trades and bars are kept, behind two protocols.

What belongs here: ``base`` (the protocols), one sub-room a store, and the in-memory store. What does not: deciding
which one is used (``project``), comparing contents (``verify``).
"""
