"""The day files: one Parquet file a UTC day, written atomically, fingerprinted, read lazily.

What belongs here: files of trades on disk and the datasets they form. What does not: where trades come from
(``sources``), stores.
"""
