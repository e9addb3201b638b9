"""A Zoho to talk to: written from the protocol, imports no other room."""
