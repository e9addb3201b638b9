"""The routes of write-back under `/v1`, and the shapes of their bodies.

Belongs here: HTTP. Does not belong here: what a wish means and when it is sent (`writeback`).
Called by: `web/app.py`; the operator's page uses `decide`.
Read first: `routes.py`.
"""
