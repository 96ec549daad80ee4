"""InfluxDB 2.x: trades and bars in buckets.

What belongs here: everything that speaks to an InfluxDB server. What does not: settings, which ``project`` turns into
an ``Address``, a ``Layout`` and a ``LoadPlan``.
"""
