"""Bulk loading: files of points through the server's API of backup and restore.

What belongs here: shards, what they hold, and loading files into them. What does not: the files themselves (``tsm``),
the order of events in which a day is changed (``trades``). docs/bulk-loading.md says how it works and why it is safe.
"""
