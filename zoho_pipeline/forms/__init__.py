"""Form capture: what a landing page's form sent, what is kept of it, and how a person is forgotten.

Belongs here: reading and judging a submission, storing it, `forget`. Does not belong here: the queue's rows and the
hashes (`channels/forms`), the raw tables (`ingest/forms`), HTTP (`web/forms`), the matching (`dbt_like_sql`).
Called by: the web server and the commands `forms …`.
Read first: `read_submission.py`, then `suspect.py`, `writer.py` and `forget.py`.
"""
