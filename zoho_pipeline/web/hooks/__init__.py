"""The URLs to which Zoho delivers notifications.

Here belongs what HTTP is about them: sizes, refusals, answers. What a notification means is in `push`.
`app.py` mounts the routes and the gate.
Read `gate.py` first, then `routes.py`.
"""
