"""What belongs here: one run: which channels are built again, their models, checks and publication, per engine.
What does not: how models are written and ordered (project).
Who calls it: `transform.transform` is the only door; the other modules serve it.
Read first: transform.py, then engine.py, the protocol that each engine implements.
"""
