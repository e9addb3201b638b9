"""What the registry knows of form capture: salts, form keys, and the queue of submissions; and how a person is hashed.

Belongs here: rows of the registry, and the hashes that submissions and leads share. Does not belong here: what a form
sends (`forms`), the raw tables (`ingest/forms`), HTTP (`web/forms`).
Called by: `forms`, `ingest/forms` and the command line.
Read first: `person_keys.py`, then `submissions.py`.
"""
