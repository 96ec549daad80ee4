"""Setting a server up and looking after it: buckets, tokens, health.

What belongs here: what ``ohlcv influx`` does. What does not: loading and reading, which need none of it.
"""
