"""Zoho CRM to insight: incremental extraction, attribution, conversion and speed to lead, per channel."""
