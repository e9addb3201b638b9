"""What is read: the raw tables with their columns, the fields of a module to request, and the field map of leads.

Here belong names and types. How values become those types is in `convert`; which rows are read is in `routes`.
All of `ingest` calls it; the command line and the docs' tests read the list of tables.
Read `model.py` first, then `tables.py`.
"""
