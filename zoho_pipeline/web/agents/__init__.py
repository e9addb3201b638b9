"""The doors for agents: MCP at /mcp, and the same content as JSON.

Here belongs the proof of who asks, and what HTTP adds. What an agent may know is in `zoho_pipeline/agents`.
`app.py` mounts both.
Read `mcp_door.py` first.
"""
