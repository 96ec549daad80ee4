"""``GET /api/v1/stream``: bars and trades as they change, over a WebSocket.

What belongs here: frames, clients, who is subscribed to what. What does not: running bars (``live``).
"""
