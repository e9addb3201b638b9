"""Changes of records at Zoho. There is one: the status of a lead.

Belongs here: the call, and the meaning of each of Zoho's answers. Does not belong here: when to write (`writeback`).
Called by: `writeback`.
Read first: `lead_status.py`.
"""
