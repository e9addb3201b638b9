"""Room 1: speak Zoho. HTTP and the protocol, nothing of ours."""
