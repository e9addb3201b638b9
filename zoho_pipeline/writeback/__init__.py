"""Write-back: the status of a lead that the platform wishes is written to Zoho, and nobody's edit is lost unseen.

Belongs here: the switch of a channel, its map of words, the wishes, and the steps that send one (`sending.py`).
Does not belong here: the calls (`zoho/write`), the routes (`web/api/writebacks.py`), the events of other changes
(`channels/platform/lead_changes.py`).
Called by: `web` (wishes), `worker` (the sender), `cli`.
Read first: `judge.py`, then `sending.py`.
"""
