"""Room 3, Zoho → raw: what to read, by which route, and how it lands in the warehouse."""
