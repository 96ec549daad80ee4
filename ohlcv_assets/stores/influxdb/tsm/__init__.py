"""TSM, the files that InfluxDB keeps its points in: written and read here, without a server.

What belongs here: bytes, pure and fast. What does not: sending files to a server or fetching them from one.
"""
