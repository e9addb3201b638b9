"""The commands of the services around the pipeline: `serve`, `work`, and the group `web`.

Belongs here: arguments, help texts, tables. Does not belong here: what they do (`worker`, `channels/platform`).
Called by: the program in `cli`, which adds the commands.
Read first: `group.py`, then `endpoints.py`.
"""

from zoho_pipeline.cli.web import admin as admin  # they add their commands to the group
from zoho_pipeline.cli.web import endpoints as endpoints
from zoho_pipeline.cli.web.group import web as web
