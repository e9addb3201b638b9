"""The commands of the services around the pipeline: `work`, and the group `web` with keys, origins and endpoints.

Belongs here: arguments, help texts, tables. Does not belong here: what they do (`worker`, `channels/platform`).
Called by: the program in `cli`, which adds the commands.
Read first: `group.py`, then `endpoints.py`.
"""

from zoho_pipeline.cli.web.group import web as web
