"""Speak Zoho: HTTP, OAuth, limits and every read route of Zoho CRM v7; knows nothing of registry or warehouse."""
