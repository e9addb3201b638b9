"""The process that serves: uvicorn with limits of our own, and the worker beside it.

Here belongs what happens before a request reaches the application. The application is in `app.py`.
The command `serve` calls it.
Read `server.py` first.
"""
