"""One run of the models: which channels are built again, and how they are built, checked and published.

Here belongs what needs a connection to a warehouse. How models are written and ordered is in `project`.
Other packages call only `transform.transform`; the other modules serve it.
Read `transform.py` first, then `engine.py`, the protocol that each engine implements.
"""
