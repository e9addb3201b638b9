"""The front door: connect, channel page and API over HTTP.

Here belongs what a browser or another program meets. Work that talks to Zoho or writes the warehouse does not: the
`worker` does it, and this package asks for it by rows in the registry. Only connect, verify and remove call Zoho.
The command `serve` calls it.
Read `app.py` first: it lists the routes. `services.py` holds what each request needs.
"""
