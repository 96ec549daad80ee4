"""Who makes a day's bars: our roll-up, SQL over the day file, or the server that stores the trades.

What belongs here: engines behind one protocol, and choosing one. What does not: what must be true before bars are made
(``steps``), recording that they were.
"""
