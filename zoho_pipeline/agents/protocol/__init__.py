"""The Model Context Protocol: the tools, resources and the prompt, over HTTP and over standard input and output.

Here belongs everything that knows the library `mcp`, which takes a second to import. So nobody imports these modules
before an agent comes. What an answer holds is in `sections`; who may ask is in `desk.py`.
`web/agents` and the command `mcp` call it.
Read `server.py` first.
"""
