"""Zoho's accounts servers: data centres, scopes, grants and access tokens.

Here belongs everything about OAuth, and the rules that keep secrets away from other hosts. How tokens are stored and
shared is in `channels`.
`channels` exchanges and refreshes tokens with it; `connection` signs its calls with it.
Read `oauth.py` first, then `data_centers.py`.
"""
