"""Trades and bars as line protocol, and texts as each of the server's languages writes them.

What belongs here: bytes and literals, pure and fast. What does not: sending them (``writer``).
"""
