"""Calls about notifications: subscribe, read back, replace, end.

Here belongs what `/actions/watch` takes and answers. Which subscription a channel has, and when it is renewed, is in
`push`.
`push` calls it.
Read `subscriptions.py` first.
"""
