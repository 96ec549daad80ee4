"""Questions to a server and their answers as Arrow tables.

What belongs here: query texts, replies, falling back to smaller questions. What does not: what is done with answers.
"""
