"""The pages that people look at: the channel page, its iframe, and the operator's list.

Here belong templates, charts and number formats. What they show is in `reading` and `api`; a page computes nothing.
`app.py` includes its routes.
Read `routes.py` first.
"""
