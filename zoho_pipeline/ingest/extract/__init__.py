"""Read one module: from the state of the last sync to checkpoints that can be loaded.

Here belongs what decides which rows of a module are read, and what is remembered of them. Calls to Zoho belong to
`routes`, questions to the warehouse to `raw`, loading to `load`. `sync.read_modules` runs a `ModuleReader` per module.
Read `module_reader.py` first, then `state.py` and `checkpoints.py`.
"""
