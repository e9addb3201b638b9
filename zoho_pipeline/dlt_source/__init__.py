"""The dlt source `zoho_crm`, for a pipeline of your own into any destination of dlt that SQL can read.

Here belongs what a source has instead of a channel and a warehouse: credentials of dlt, a mirror of the stored keys,
state in dlt's state. How Zoho is read belongs to `ingest`. Programs call it as `from zoho_pipeline import zoho_crm`.
Read `source.py` first, then `module_reading.py` and `mirror.py`.
"""
