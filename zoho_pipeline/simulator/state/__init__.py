"""The state of an org and what all orgs share, and the functions that change them.

Here belong data and rules of the CRM: users, fields, rows, histories, credits, tokens. Nothing here answers a
request, takes a lock or reads JSON from the wire.
`OrgHandle` changes the state under the lock; `query`, `calls`, `api` and `control` read it.
Read `org.py` first, then `changes.py`.
"""
