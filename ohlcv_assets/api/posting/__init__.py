"""Taking trades in: from the body of a request to the store, whole requests or nothing of them.

What belongs here: reading and judging bodies (``parsing``), the columns they become (``columns``), which instant each
trade gets (``placing``), what was posted before (``ledger``), one commit of several requests (``commit``), the queue
(``desk``). What does not: HTTP, which is ``native.posting``'s.
"""
