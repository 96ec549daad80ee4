"""TradingView's UDF protocol below ``/udf``, for front ends that speak it.

What belongs here: one module a group of endpoints, and how TradingView names things. What does not: our own API
(``native``), the JavaScript datafeed. The protocol: https://www.tradingview.com/charting-library-docs/ (UDF). Bars are
always of the resolution asked for: a front end that gets others shifts them or asks for ever.
"""
