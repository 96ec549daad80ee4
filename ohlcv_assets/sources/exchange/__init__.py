"""Files of trades as exchanges and data vendors publish them: one module a format.

What belongs here: opening files, telling formats apart, reading rows into one canonical form, putting the trades of a
symbol and day in order. What does not: the dataset that they become (``lake.importing``).

The canonical form of a row is (line, symbol, ts, price, amount, side, id): see ``canonical``.
"""
