"""The accounts server: the consent page and the token endpoint.

Here belongs what a browser or a client sends to `/oauth/`. The tokens themselves are in `state/tokens.py`.
`http/app.py` calls it; tests call `consent.issue_code` for a code of a self client.
Read `token_endpoint.py` first.
"""
