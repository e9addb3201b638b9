"""Notifications from Zoho: the subscription of a channel, what is received, and how it becomes rows.

Here belongs everything between `/actions/watch` and a fresh row. The rows of the queue are in `channels/platform`, the
HTTP routes in `web/api/hooks.py`, and the loop in `worker`.
The commands `push …`, the web server and the worker call it.
Read `subscribe.py` first, then `receive.py`, `record_lane.py` and `insight_lane.py`.
"""
