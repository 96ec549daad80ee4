"""The HTTP service: bars and trades for programs and charts.

What belongs here: the application and its routes. What does not: the command that starts it (``cli.serve``), anything
that another room can do without a network. ``app.create_app`` is the way in.
"""
