"""How a channel is connected and removed: a browser's consent, a grant code, or an existing refresh token.

Here belongs everything that gets a refresh token from a person or revokes it. The use of a registered channel is in
`access`.
The command line calls it; the web service will call `authorize` and `finish`.
Read `connect.py` first, then `register.py`.
"""
