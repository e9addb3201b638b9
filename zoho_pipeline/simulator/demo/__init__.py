"""A small generated company in the simulator: its content, its leads and the work of its sales team.

Only code that fills an org belongs here; it changes an org through `OrgHandle` alone.
`zoho-pipeline demo`, `zoho-pipeline simulator --world company` and tests call it.
Read `company.py` first.
"""
