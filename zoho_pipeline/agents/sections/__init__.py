"""The answers about a channel, one module per tool: what is read from the marts, and what of it is shown.

Here belong queries on published marts and the rules for small groups. Limits, rights and the audit are in `desk.py`.
`desk.py` calls each section with a `Reading`.
Read `reading.py` first, then `recent_leads.py`.
"""
