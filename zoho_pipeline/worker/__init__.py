"""The long-lived worker: it takes sync requests, builds the marts of their channels, and delivers events.

Here belongs the loop and what it runs. The queue's rows are in `channels/sync_requests`; syncs are in `ingest`.
The commands `work` and `serve` call it.
Read `worker.py` first, then `marts_builder.py` and `sender.py`.
"""
