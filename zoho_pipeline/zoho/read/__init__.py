"""The calls that read: one module per family of the API.

Here belong requests and the form of their answers. Which of them to use, and what to do with the rows, is decided in
`ingest`.
`ingest` calls these modules; `channels` reads the org and the user of a connection.
Read `pages.py` first, then `records.py`.
"""
