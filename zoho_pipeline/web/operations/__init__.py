"""What whoever runs the server needs: health, readiness, metrics, and the page about the API.

Here belongs nothing that a tenant sees. The measuring of requests is in `metrics.py`, beside its page.
`app.py` includes its routes.
Read `health.py` first.
"""
