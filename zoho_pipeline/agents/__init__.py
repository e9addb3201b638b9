"""What the agents of a tenant may know: seven tools, two resources and one prompt, and the same content as JSON.

Here belongs everything that decides what an agent can learn, and the Model Context Protocol around it. How people and
pages read the same marts is in `reading`; who asks over HTTP is proved in `web/auth`.
`web/agents` mounts it at /mcp, and the command `mcp` speaks it over standard input and output.
Read `desk.py` first: every call passes through it. Then read `suppression.py`.
"""
