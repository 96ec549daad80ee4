"""The service's own API below ``/api/v1``.

What belongs here: one module a resource. What does not: TradingView's protocol (``udf``).
"""
