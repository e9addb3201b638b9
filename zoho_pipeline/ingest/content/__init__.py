"""The content catalogue of a channel: what was published, from a file or from a SQL database.

Here belong the checks of content items and their sources. The loading itself is in `load`; Zoho is not involved.
The command line and the content job of `orchestration` call it.
Read `files.py` first, then `read_file.py` (formats) and `database.py`.
"""
