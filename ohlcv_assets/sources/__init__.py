"""Where a day's trades come from: the generator, or files of exchanges.

What belongs here: turning a source into Arrow batches of ``market.schema.TRADES``. What does not: writing files
(``lake``).
"""
