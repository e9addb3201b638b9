"""The JSON API for the platform's backend and pages: catalogue, channels, leads, insight, syncs, events.

Here belong routes and the shapes of their answers. Reading the marts is in `reading`; pages are in `pages`.
`app.py` includes its routes.
Read `catalogue.py` first: it is the smallest route.
"""
