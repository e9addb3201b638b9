"""Marts and answers of queries as files: CSV, Parquet and Excel workbooks.

Here belongs what writes an answer into a file that a person gets. What an answer says comes from `reading` and
`frames`. `cli/marts.py` calls `export_marts` and `export_query`; nothing else calls this package. Read `export.py`
first, then `places.py` (how a file takes its place) and the writer of a format.
"""
