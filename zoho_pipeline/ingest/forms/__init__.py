"""Form capture in the raw tables: submissions from the queue, and the keys of the leads that they may belong to.

Belongs here: what is written to `form_submissions` and `person_keys`. Does not belong here: what a form sends
(`forms`), the queue and the hashes (`channels/forms`), the matching (`dbt_like_sql`).
Called by: the end of a sync, the step before a transform, the worker, and `forms`.
Read first: `load_forms.py`, then `lead_keys.py`.
"""
