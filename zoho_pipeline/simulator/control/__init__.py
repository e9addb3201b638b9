"""The control plane under `/_control/`, and snapshot files.

Here belong the operations that a test or a demo requests over HTTP. Real orgs of Zoho have no such calls.
`http/app.py` and `handle.py` call it.
Read `endpoints.py` first.
"""
