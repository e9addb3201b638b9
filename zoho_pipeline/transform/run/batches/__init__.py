"""Batches: the channels of a run are built in as few groups as its memory allows, and published together.

Here belongs what is done because memory is limited: which channels are built together, when a table is dropped, and
how the results of several batches become one report. What a model is built from is in `run/build.py`.
`run/transform.py` calls it. Read `split.py` first.
"""
