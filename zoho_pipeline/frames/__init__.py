"""Marts, queries and insights as frames: what programs and notebooks import from `zoho_pipeline`.

Here belongs what turns answers into pandas, Arrow and polars. What an answer says comes from `reading`.
The package `zoho_pipeline` passes on its three functions; nothing else calls it.
Read `read.py` first, then `convert.py` (the types).
"""
