"""Who may do what: API keys, session tokens, embed links, the operator's cookie, scopes and tenants.

Here belongs everything that turns a request into a `Principal`. What is stored about keys is in `channels/platform`.
The routes call it through `require.py`.
Read `principal.py` first, then `require.py`.
"""
