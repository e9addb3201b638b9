"""The control plane under `/_control/`, and snapshot files.

Here belongs what a test or a demo orders over HTTP. Nothing here plays Zoho: real orgs have no such calls.
`http/app.py` and `handle.py` call it.
Read `endpoints.py` first.
"""
