"""The embedded store: one DuckDB file, opened only for as long as a step lasts.

What belongs here: connection broker, SQL, the two stores. What does not: anything about other stores.
"""
