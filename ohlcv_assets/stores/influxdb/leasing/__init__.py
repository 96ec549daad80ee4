"""Who may change which day, agreed on by all processes and machines that use a server.

What belongs here: leases, made of labels. What does not: what is done under a lease (``trades``, ``bars``).
"""
