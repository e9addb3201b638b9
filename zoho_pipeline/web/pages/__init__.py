"""The pages that people look at: the channel page, its iframe, and the operator's list.

Here belong templates, charts, number formats and static files. What they show is in `reading` and `api`; a page
computes no number.
`app.py` includes its routes.
Read `routes.py` first, then `channel_page.py`.
"""
