"""The commands of the services around the pipeline: `serve`, `work`, `mcp`, and the groups `web` and `forms`.

Belongs here: arguments, help texts, tables. Does not belong here: what they do (in `worker`, `agents` …).
Called by: the program in `cli`, which adds the commands.
Read first: `group.py`, then `endpoints.py`.
"""

from zoho_pipeline.cli.web.admin import keys, login, origins
from zoho_pipeline.cli.web.endpoints import endpoints
from zoho_pipeline.cli.web.group import web

for command in (keys, origins, endpoints, login):
    web.add_command(command)

__all__ = ["web"]
